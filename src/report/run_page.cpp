#include "page.hpp"
#include "sections.hpp"

#include <terramill/report/run_page.hpp>

#include <algorithm>

namespace terramill::report {

namespace {

/// "tree_cover" as "tree cover".
std::string in_words(std::string name) {
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

std::string text_of(const Json& value) {
  if (value.is_string()) return escape_markup(value.get<std::string>());
  if (value.is_number_integer()) return exact(value.get<double>());
  if (value.is_number()) return readable(value.get<double>());
  if (!value.is_array()) return escape_markup(dump_json(value));
  std::string text;
  for (const Json& element : value) text += (text.empty() ? "" : ", ") + text_of(element);
  return text;
}

std::string model_name(const RunRecord& run) {
  const std::string family = run.about.value("model", std::string("model"));
  std::string name = family == "mpmae" ? "MP-MAE" : family == "terrafm" ? "TerraFM" : family;
  const auto set = [&](const char* key) { return !run.configured("model", key).value_or("").empty(); };
  const auto resized = [&](const char* key) { return run.configured("terrafm", key).value_or("0") != "0"; };
  // Of a size of its own.
  if (family == "mpmae" && (set("depths") || set("dims"))) return name;
  if (family == "terrafm" && (resized("embed_dim") || resized("depth") || resized("heads"))) return name;
  if (const auto size = run.configured("model", "size"); size && !size->empty()) name += " " + *size;
  return name;
}

std::string key_table(const Json& numbers) {
  const auto known = [&](const char* key) { return !numbers[key].is_null(); };
  const auto value = [&](const char* key) { return numbers[key].get<double>(); };
  std::string html = "<dl class=\"key\">";
  if (known("loss"))
    html += key_number("Training loss", readable(value("loss")), "at step " + exact(value("step")));
  if (known("validation_loss")) {
    html += key_number("Validation loss", readable(value("validation_loss")),
                       "least " + readable(value("validation_loss_best")) + " at step " +
                           exact(value("validation_loss_best_step")));
  }
  if (known("knn_accuracy")) {
    html += key_number("kNN accuracy", percent_text(value("knn_accuracy")),
                       "best " + percent_text(value("knn_accuracy_best")) + " at step " +
                           exact(value("knn_accuracy_best_step")));
  }
  if (known("images_per_second")) {
    const double replicas = known("replicas") ? value("replicas") : 1;
    html += key_number("Speed, median", readable(value("images_per_second")) + " <small>images/s</small>",
                       replicas > 1 ? readable(value("images_per_second") / replicas) + " per replica" : "");
  }
  if (known("hours"))
    html += key_number("Time in steps", duration(value("hours") * 3600), "without validation, checkpoints");
  if (known("parameters")) html += key_number("Parameters", exact(value("parameters")), "");
  return html + "</dl>\n";
}

/// The page's head: what the run is and how far it came.
std::string head_of(const RunRecord& run, const Json& numbers) {
  const std::string name = std::filesystem::absolute(run.folder).lexically_normal().filename().string();
  std::string html =
      "<p class=\"over\">Terramill, pretraining run <code>" + escape_markup(name) + "</code></p>";
  html += "<h1>" + escape_markup(model_name(run)) + "</h1><p class=\"lede\">";
  html += numbers["finished"].get<bool>() ? "Finished: " : "Not finished: ";
  html += "step " + exact(numbers["step"].get<double>());
  if (!numbers["steps"].is_null()) html += " of " + exact(numbers["steps"].get<double>());
  if (!numbers["epochs"].is_null()) html += ", " + readable(numbers["epochs"].get<double>()) + " epochs";
  if (!numbers["images"].is_null()) html += ", " + exact(numbers["images"].get<double>()) + " images";
  return html + ".</p>\n" + key_table(numbers);
}

/// Model, corpus and layout, then whatever else run.json tells.
void add_run(Page& page, const RunRecord& run) {
  page.section("run", "Run");
  std::vector<std::pair<std::string, std::string>> rows{{"Model", escape_markup(model_name(run))}};
  std::vector<std::string> told{"model",        "parameters", "steps", "steps_per_epoch",
                                "global_batch", "replicas",   "corpus"};
  const auto about = [&](const char* key) {
    return run.about.contains(key) ? run.about[key] : Json(nullptr);
  };
  const auto configured = [&](const char* section, const char* key) {
    return escape_markup(run.configured(section, key).value_or(""));
  };
  if (!about("parameters").is_null()) rows.emplace_back("Parameters", text_of(about("parameters")));
  std::string corpus = configured("", "corpus");
  if (!corpus.empty()) corpus = "<code>" + corpus + "</code>";
  if (!about("corpus").is_null())
    corpus += (corpus.empty() ? "content <code>" : ", content <code>") + text_of(about("corpus")) + "</code>";
  if (!corpus.empty()) rows.emplace_back("Corpus", corpus);
  if (const std::string strategy = configured("sampling", "strategy"); !strategy.empty())
    rows.emplace_back("Sampling",
                      strategy + (strategy == "natural"
                                      ? ""
                                      : ", balance exponent " + configured("sampling", "balance_exponent")));
  if (!about("steps").is_null()) {
    rows.emplace_back(
        "Steps", text_of(about("steps")) + (about("steps_per_epoch").is_null()
                                                ? ""
                                                : ", " + text_of(about("steps_per_epoch")) + " an epoch"));
  }
  if (!about("global_batch").is_null()) {
    const std::string parts = configured("train", "micro_batches"),
                      size = configured("train", "micro_batch_size");
    rows.emplace_back("Global batch",
                      text_of(about("global_batch")) + " tiles" +
                          (parts.empty() || size.empty() ? "" : ", " + parts + " micro-batches of " + size));
  }
  if (!about("replicas").is_null()) {
    std::string layout = text_of(about("replicas")) + (about("replicas") == 1 ? " replica" : " replicas");
    if (const std::string precision = configured("train", "precision"); !precision.empty())
      layout += ", " + precision;
    if (const std::string reduction = configured("train", "reduction"); !reduction.empty())
      layout += ", gradients summed by <code>" + reduction + "</code>";
    rows.emplace_back("Layout", layout);
  }
  for (const auto& [key, value] : run.about.items()) {
    if (std::find(told.begin(), told.end(), key) != told.end()) continue;
    const std::string text = text_of(value);
    if (text.empty()) continue;
    std::string name = in_words(key);
    name.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(name.front())));
    rows.emplace_back(name, text);
  }
  page.add(facts(rows));
}

}  // namespace

std::vector<std::string> write_run_page(const RunRecord& run, const TilePictures& pictures,
                                        const std::filesystem::path& output) {
  Page page(output);
  add_run(page, run);
  add_curves(page, run);
  add_sampling(page, run);
  add_reconstructions(page, pictures.reconstructed);
  add_attention(page, pictures.attended);
  add_configuration(page, run);
  add_files(page, run, output);
  page.write("Terramill: " + model_name(run), head_of(run, key_numbers(run)));
  return page.sections();
}

}  // namespace terramill::report
