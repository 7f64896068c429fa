#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/options.hpp>
#include <terramill/report/run_record.hpp>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

namespace terramill::report {

namespace {

std::map<std::string, std::map<std::string, Series>> read_curves(const std::filesystem::path& path) {
  std::map<std::string, std::map<std::string, Series>> curves;
  const std::string text = read_text(path);
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    if (end == std::string::npos) break;  // a line still being written
    const Json line = parse_json(std::string_view(text).substr(begin, end - begin), path.string());
    begin = end + 1;
    const auto kind = json_get<std::string>(line, "kind", path.string());
    const auto step = json_get<double>(line, "step", path.string());
    for (const auto& [key, value] : line.items()) {
      if (!value.is_number() || key == "step") continue;
      Series& series = curves[kind][key];
      series.x.push_back(step);
      series.y.push_back(value.get<double>());
    }
  }
  return curves;
}

std::string trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return "";
  return std::string(text.substr(first, text.find_last_not_of(" \t\r") - first + 1));
}

/// Splits "value  # origin" as OptionTable::to_ini writes it; the value may be quoted.
void split_value(const std::string& text, ConfigLine& line) {
  std::size_t end = 0;
  if (text.starts_with('"')) {
    for (end = 1; end < text.size() && text[end] != '"'; ++end) {
      if (text[end] == '\\' && end + 1 < text.size()) ++end;
      line.value += text[end];
    }
    end = std::min(end + 1, text.size());
  } else {
    end = text.starts_with('#') ? 0 : std::min(text.find(" #"), text.size());
    line.value = trimmed(std::string_view(text).substr(0, end));
  }
  const std::size_t mark = text.find('#', end);
  if (mark != std::string::npos) line.origin = trimmed(std::string_view(text).substr(mark + 1));
}

std::optional<SampledTiles> read_sampled(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  const Json json = read_json(path);
  SampledTiles sampled;
  sampled.tiles = json_get<std::uint64_t>(json, "tiles", path.string());
  if (json.contains("classes_before") && json.contains("classes_after")) {
    sampled.classes_before = json_get<std::vector<double>>(json, "classes_before", path.string());
    sampled.classes_after = json_get<std::vector<double>>(json, "classes_after", path.string());
  }
  if (json.contains("positions")) {
    for (const auto& [longitude, latitude] :
         json_get<std::vector<std::pair<double, double>>>(json, "positions", path.string()))
      sampled.positions.push_back({longitude, latitude});
  }
  return sampled;
}

double sum_of(const Series& series) {
  double sum = 0;
  for (const double value : series.y) sum += std::isfinite(value) ? value : 0;
  return sum;
}

Json median_of(const Series* series) {
  std::vector<double> values;
  if (series != nullptr)
    std::copy_if(series->y.begin(), series->y.end(), std::back_inserter(values),
                 [](double v) { return std::isfinite(v); });
  if (values.empty()) return nullptr;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

Json last_of(const Series* series) { return series == nullptr ? Json(nullptr) : Json(series->y.back()); }

/// The greatest value, or the least, and its step.
std::pair<Json, Json> best_of(const Series* series, bool greatest) {
  std::pair<Json, Json> best{nullptr, nullptr};
  if (series == nullptr) return best;
  for (std::size_t i = 0; i < series->y.size(); ++i) {
    const double value = series->y[i];
    if (!std::isfinite(value)) continue;
    if (best.first.is_null() ||
        (greatest ? value > best.first.get<double>() : value < best.first.get<double>()))
      best = {value, static_cast<std::int64_t>(series->x[i])};
  }
  return best;
}

}  // namespace

const Series* RunRecord::curve(const std::string& kind, const std::string& key) const {
  const auto group = curves.find(kind);
  if (group == curves.end()) return nullptr;
  const auto found = group->second.find(key);
  return found == group->second.end() ? nullptr : &found->second;
}

std::optional<std::string> RunRecord::configured(const std::string& section, const std::string& key) const {
  for (const ConfigLine& line : configuration) {
    if (line.section == section && line.key == key) return line.value;
  }
  return std::nullopt;
}

std::vector<ConfigLine> read_configuration(const std::filesystem::path& path) {
  std::vector<ConfigLine> lines;
  std::string section;
  for (const std::string& raw : split_list(read_text(path), '\n')) {
    const std::string text = trimmed(raw);
    const std::size_t sign = text.find('=');
    if (text.starts_with('[') && text.ends_with(']')) {
      section = text.substr(1, text.size() - 2);
    } else if (!text.empty() && !text.starts_with('#') && sign != std::string::npos) {
      ConfigLine line{section, trimmed(std::string_view(text).substr(0, sign)), "", ""};
      split_value(trimmed(std::string_view(text).substr(sign + 1)), line);
      lines.push_back(std::move(line));
    }
  }
  return lines;
}

RunRecord read_run(const std::filesystem::path& folder) {
  if (!std::filesystem::exists(folder / "run.json") || !std::filesystem::exists(folder / "metrics.jsonl")) {
    throw UsageError("this is no run folder: it lacks run.json or metrics.jsonl",
                     {"report on a run", folder.string(), ""});
  }
  RunRecord run;
  run.folder = folder;
  run.about = read_json(folder / "run.json");
  run.curves = read_curves(folder / "metrics.jsonl");
  if (std::filesystem::exists(folder / "config.ini"))
    run.configuration = read_configuration(folder / "config.ini");
  run.sampled = read_sampled(folder / "sampling.json");
  return run;
}

Json key_numbers(const RunRecord& run) {
  const auto about = [&](const char* key) {
    return run.about.contains(key) ? run.about[key] : Json(nullptr);
  };
  const Series* loss = run.curve("train", "loss");
  const Series* seconds = run.curve("train", "step_seconds");
  const std::int64_t step = loss == nullptr ? 0 : static_cast<std::int64_t>(loss->x.back());

  Json numbers{{"model", about("model")}, {"step", step}, {"steps", about("steps")}};
  numbers["finished"] = about("steps").is_number() && step >= about("steps").get<std::int64_t>();
  numbers["parameters"] = about("parameters");
  numbers["epochs"] = last_of(run.curve("train", "epoch"));
  const Json batch = about("global_batch");
  numbers["images"] = batch.is_number() ? Json(step * batch.get<std::int64_t>()) : Json(nullptr);
  numbers["global_batch"] = batch;
  numbers["replicas"] = about("replicas");
  numbers["loss"] = last_of(loss);
  const Series* validation = run.curve("validation", "loss");
  numbers["validation_loss"] = last_of(validation);
  const auto [least, least_step] = best_of(validation, false);
  numbers["validation_loss_best"] = least;
  numbers["validation_loss_best_step"] = least_step;
  const Series* knn = run.curve("knn", "accuracy");
  numbers["knn_accuracy"] = last_of(knn);
  const auto [greatest, greatest_step] = best_of(knn, true);
  numbers["knn_accuracy_best"] = greatest;
  numbers["knn_accuracy_best_step"] = greatest_step;
  numbers["images_per_second"] = median_of(run.curve("train", "images_per_second"));
  numbers["hours"] = seconds == nullptr ? Json(nullptr) : Json(sum_of(*seconds) / 3600);
  for (const char* key : {"data_wait_share", "communication_share"}) {
    const Series* share = run.curve("train", key);
    numbers[key] = nullptr;
    if (share == nullptr || seconds == nullptr || share->y.size() != seconds->y.size()) continue;
    double spent = 0;
    for (std::size_t i = 0; i < share->y.size(); ++i) spent += share->y[i] * seconds->y[i];
    numbers[key] = sum_of(*seconds) > 0 ? Json(spent / sum_of(*seconds)) : Json(nullptr);
  }
  return numbers;
}

}  // namespace terramill::report
