#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/json.hpp>
#include <terramill/geo/image.hpp>
#include <terramill/report/line_chart.hpp>
#include <terramill/report/run_page.hpp>

#include <cmath>
#include <map>

namespace terramill::report {

namespace {

/// metrics.jsonl as columns: kind -> key -> curve over steps.
using Curves = std::map<std::string, std::map<std::string, Series>>;

Curves read_curves(const std::filesystem::path& path) {
  Curves curves;
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

Series named(Series series, const std::string& name) {
  series.name = name;
  return series;
}

class Page {
 public:
  Page(const Curves& curves, std::filesystem::path output) : curves_(curves), output_(std::move(output)) {}

  /// A chart of some curves (kind, key, legend); those that do not exist are left out, and so is an empty
  /// chart.
  void chart(const std::string& file, ChartOptions options,
             const std::vector<std::tuple<std::string, std::string, std::string>>& wanted) {
    std::vector<Series> series;
    for (const auto& [kind, key, name] : wanted) {
      const auto group = curves_.find(kind);
      if (group == curves_.end()) continue;
      const auto found = group->second.find(key);
      if (found != group->second.end()) series.push_back(named(found->second, name));
    }
    if (series.empty()) return;
    options.x_label = "step";
    const std::string svg = line_chart(options, series);
    write_file_durably(output_ / (file + ".svg"), svg);
    charts_ += "<figure>" + svg + "</figure>\n";
  }

  void losses_by_target() {
    std::vector<std::tuple<std::string, std::string, std::string>> wanted;
    const auto train = curves_.find("train");
    if (train == curves_.end()) return;
    for (const auto& [key, series] : train->second) {
      if (key.starts_with("loss_")) wanted.emplace_back("train", key, key.substr(5));
    }
    chart("loss-by-target", {"Loss of each target, before weighting", "", "loss", true, 720, 440}, wanted);
  }

  void tile(const ReconstructedTile& tile, std::size_t number) {
    const std::string folder = "tiles/" + std::to_string(number);
    std::filesystem::create_directories(output_ / folder);
    tiles_ += "<section><h3>Tile " + escape_markup(tile.tile_id) + "</h3><div class=\"row\">";
    cell(folder + "/visible.png", "input, visible part", tile.visible);
    for (const ReconstructedModality& modality : tile.modalities) {
      cell(folder + "/" + modality.name + "-truth.png", modality.name, modality.truth);
      cell(folder + "/" + modality.name + "-prediction.png", modality.name + ", predicted",
           modality.prediction);
    }
    tiles_ += "</div></section>\n";
  }

  void write(const Json& about, const std::string& configuration) const {
    std::string html = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Terramill run</title><style>
body { font: 16px/1.5 sans-serif; color: #222; max-width: 72rem; margin: 0 auto; padding: 1rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(30rem, 100%), 1fr)); gap: 1rem; }
figure { margin: 0; border: 1px solid #ddd; } figure svg { display: block; width: 100%; height: auto; }
.row { display: flex; flex-wrap: wrap; gap: .75rem; } .row div { width: 9rem; font-size: .8rem; }
.row img { width: 100%; image-rendering: pixelated; display: block; border: 1px solid #ddd; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top; }
pre { overflow-x: auto; background: #f6f6f6; padding: 1rem; font-size: .85rem; }
</style></head><body><h1>Terramill run</h1>
)";
    html += "<table>";
    for (const auto& [key, value] : about.items()) {
      const std::string text = value.is_string() ? value.get<std::string>() : dump_json(value);
      html += "<tr><th>" + escape_markup(key) + "</th><td>" + escape_markup(text) + "</td></tr>";
    }
    html += "</table>\n<h2>Curves</h2>\n<div class=\"charts\">\n" + charts_ + "</div>\n";
    if (!tiles_.empty()) {
      html +=
          "<h2>Reconstructions</h2>\n<p>Held-out tiles, centred crops. The model sees only the input's "
          "visible part; "
          "its prediction of the removed patches of every pixel modality stands beside the truth. Magenta: "
          "no data.</p>\n" +
          tiles_;
    }
    html += "<h2>Configuration</h2>\n<pre>" + escape_markup(configuration) + "</pre>\n</body></html>\n";
    write_file_durably(output_ / "index.html", html);
  }

 private:
  void cell(const std::string& file, const std::string& caption, const Picture& picture) {
    geo::write_png(output_ / file, picture.width, picture.height, picture.pixels);
    tiles_ += "<div><img src=\"" + escape_markup(file) + "\" alt=\"" + escape_markup(caption) + "\">" +
              escape_markup(caption) + "</div>";
  }

  const Curves& curves_;
  std::filesystem::path output_;
  std::string charts_, tiles_;
};

}  // namespace

void write_run_page(const std::filesystem::path& run, const std::vector<ReconstructedTile>& tiles,
                    const std::filesystem::path& output) {
  if (!std::filesystem::exists(run / "run.json") || !std::filesystem::exists(run / "metrics.jsonl")) {
    throw UsageError("this is no run folder: it lacks run.json or metrics.jsonl",
                     {"report on a run", run.string(), ""});
  }
  std::error_code error;
  std::filesystem::create_directories(output, error);
  if (error)
    throw IoError("cannot make the report's folder", error.value(), {"report on a run", output.string(), ""});

  const Curves curves = read_curves(run / "metrics.jsonl");
  Page page(curves, output);
  page.chart("loss", {"Loss", "", "total loss"},
             {{"train", "loss", "train"}, {"validation", "loss", "validation"}});
  page.losses_by_target();
  page.chart("lr", {"Learning rate", "", "learning rate"}, {{"train", "lr", "lr"}});
  page.chart("gradient-norm", {"Gradient norm", "", "L2 norm", true}, {{"train", "gradient_norm", "norm"}});
  page.chart("speed", {"Speed", "", "images/s"}, {{"train", "images_per_second", "images/s"}});
  page.chart(
      "shares", {"Where a step's time goes", "", "share of the step"},
      {{"train", "data_wait_share", "waiting for data"}, {"train", "communication_share", "communication"}});
  for (std::size_t i = 0; i < tiles.size(); ++i) page.tile(tiles[i], i);
  page.write(read_json(run / "run.json"),
             std::filesystem::exists(run / "config.ini") ? read_text(run / "config.ini") : "");
}

}  // namespace terramill::report
