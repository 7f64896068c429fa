#include "sections.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <utility>

namespace terramill::report {

namespace {

Series renamed(const Series& series, const std::string& name) { return {name, series.x, series.y}; }

std::string in_words(std::string name) {
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

/// What a reader must know of curves that have more points than their charts show; empty otherwise.
std::string averaging(const ChartOptions& options, const std::vector<Series>& series) {
  for (const Series& one : series) {
    const std::size_t group = points_averaged(options, one);
    if (group > 1)
      return "Lines are means of " + std::to_string(group) +
             " successive steps, bands their least and greatest value.";
  }
  return "";
}

/// The numbers of metrics.jsonl in order of their names, with those already drawn.
class Curves {
 public:
  Curves(Page& page, const RunRecord& run) : page_(page), run_(run) {}

  /// A training curve, now drawn; null where there is none.
  const Series* take(const std::string& key) {
    drawn_.insert(key);
    return run_.curve("train", key);
  }

  void losses() {
    page_.section("losses", "Loss");
    std::vector<Series> series;
    if (const Series* loss = take("loss")) series.push_back(renamed(*loss, "training"));
    if (const Series* loss = run_.curve("validation", "loss")) series.push_back(renamed(*loss, "validation"));
    if (series.empty()) return;
    page_.add("<div class=\"charts\">" + hero("loss", {"Total loss", "step", ""}, series) + loss_table() +
              "</div>\n");
  }

  void targets() {
    page_.section("targets", "Loss by part");
    std::string charts;
    bool validated = false, averages = false;
    for (const auto& [key, curve] : parts_of_loss()) {
      drawn_.insert(key);
      std::vector<Series> series{renamed(*curve, "training")};
      if (const Series* validation = run_.curve("validation", key))
        series.push_back(renamed(*validation, "validation"));
      validated = validated || series.size() > 1;
      ChartOptions options{key.substr(5), "step", ""};
      options.width = 200;
      options.height = 150;
      options.points = 120;
      options.compact = true;
      averages = averages || points_averaged(options, *curve) > 1;
      charts += page_.chart("loss-" + key.substr(5), line_chart(options, series), "");
    }
    if (charts.empty()) return;
    std::string legend = "<ul class=\"classes\"><li>" + swatch("0") + "training</li>";
    if (validated) legend += "<li>" + swatch("1") + "validation</li>";
    page_.add(
        "<p>Each part of the loss (a target's, or a term's) over the steps, before weighting. Scales "
        "differ." +
        std::string(averages ? " Lines are means of successive steps, bands their least and greatest value."
                             : "") +
        "</p>" + legend + "</ul><div class=\"small\">" + charts + "</div>\n");
  }

  void neighbours() {
    page_.section("knn", "kNN accuracy");
    const auto knn = run_.curves.find("knn");
    if (knn == run_.curves.end()) return;
    std::vector<Series> series;
    for (const auto& [key, curve] : knn->second) {
      const bool share =
          std::all_of(curve.y.begin(), curve.y.end(), [](double v) { return !(v < 0 || v > 1); });
      if (share) series.push_back(renamed(curve, in_words(key)));
    }
    if (series.empty()) return;
    ChartOptions options{"kNN accuracy", "step", "share classified rightly"};
    options.percent = true;
    page_.add("<div class=\"charts\">" + hero("knn", options, series) + knn_table(series) + "</div>\n");
  }

  void optimisation() {
    page_.section("optimisation", "Optimisation");
    std::string charts = single("lr", "Learning rate", "", false);
    charts += single("gradient_norm", "Gradient norm", "L2, logarithmic", true);
    charts += single("weight_decay", "Weight decay", "", false);
    charts += single("teacher_momentum", "Teacher's momentum", "", false);
    charts += single("teacher_temperature", "Teacher's temperature", "", false);
    std::vector<Series> centres;
    for (const std::string& key : left_over()) {
      if (key.find("centre") != std::string::npos || key.find("center") != std::string::npos)
        centres.push_back(renamed(*take(key), in_words(key)));
    }
    if (!centres.empty()) charts += several("centres", {"DINO centres", "step", "L2 norm"}, centres);
    std::set<std::string> speed(kSpeed.begin(), kSpeed.end());
    for (const std::string& key : left_over()) {
      if (!speed.contains(key)) charts += single(key, in_words(key), "", false);
    }
    if (!charts.empty()) page_.add(note() + "<div class=\"charts\">" + charts + "</div>\n");
  }

  void speed() {
    page_.section("speed", "Speed");
    std::string charts = single("images_per_second", "Speed", "images/s, all replicas", false);
    const Series *waiting = take("data_wait_share"), *talking = take("communication_share");
    const Series* seconds = take("step_seconds");
    if (waiting != nullptr && talking != nullptr && waiting->y.size() == talking->y.size()) {
      Series computing = renamed(*waiting, "computing");
      for (std::size_t i = 0; i < computing.y.size(); ++i)
        computing.y[i] = std::max(0.0, 1 - waiting->y[i] - talking->y[i]);
      ChartOptions options{"Phases of a step", "step", "share of its time"};
      options.percent = true;
      options.low = 0;
      options.high = 1;
      const std::vector<Series> series{computing, renamed(*waiting, "waiting for data"),
                                       renamed(*talking, "communication")};
      charts += page_.chart("phases", stacked_chart(options, series), "");
      if (seconds != nullptr && seconds->y.size() == waiting->y.size())
        charts += phase_table(series, *seconds);
    }
    charts += single("tflops_per_second", "Arithmetic", "TFLOP/s, all ranks", false);
    charts += single("mfu", "MFU", "share of the peak rate", false);
    charts += single("communication_hidden_share", "Hidden communication", "share of a step", false);
    charts += single("checkpoint_share", "Saving", "share of a step", false);
    if (!charts.empty()) page_.add(note() + "<div class=\"charts\">" + charts + "</div>\n");
  }

 private:
  static constexpr std::array<const char*, 10> kSpeed = {"images_per_second",
                                                         "step_seconds",
                                                         "data_wait_share",
                                                         "communication_share",
                                                         "epoch",
                                                         "tflops_per_second",
                                                         "mfu",
                                                         "communication_hidden_share",
                                                         "compute_share",
                                                         "checkpoint_share"};

  static std::string cell(double value) { return "<td class=\"n\">" + readable(value) + "</td>"; }
  static std::string swatch(const char* line) {
    return std::string("<span class=\"swatch\" style=\"background:var(--line-") + line + ")\"></span>";
  }

  /// A chart over two of the page's three columns.
  std::string hero(const std::string& file, const ChartOptions& options, const std::vector<Series>& series) {
    ChartOptions wide = options;
    wide.width = 800;
    wide.height = 320;
    return page_.chart(file, line_chart(wide, series), line_chart(options, series),
                       averaging(options, series), "span");
  }

  /// The training curves loss_X.
  std::vector<std::pair<std::string, const Series*>> parts_of_loss() const {
    std::vector<std::pair<std::string, const Series*>> parts;
    const auto train = run_.curves.find("train");
    if (train == run_.curves.end()) return parts;
    for (const auto& [key, curve] : train->second) {
      if (key.starts_with("loss_")) parts.emplace_back(key, &curve);
    }
    return parts;
  }

  /// First and last values of the total and its parts.
  std::string loss_table() const {
    const Series* total = run_.curve("train", "loss");
    std::vector<std::pair<std::string, const Series*>> rows = parts_of_loss();
    if (total != nullptr) rows.insert(rows.begin(), {"loss", total});
    if (rows.empty()) return "";
    const bool validated = run_.curves.contains("validation");
    std::string html =
        "<caption>Loss at the first and the "
        "last step" +
        std::string(validated ? ", and in the last validation" : "") +
        "</caption><thead><tr><th scope=\"col\"></th><th scope=\"col\" class=\"n\">first</th><th "
        "scope=\"col\" class=\"n\">last</th>" +
        (validated ? "<th scope=\"col\" class=\"n\">validation</th>" : "") + "</tr></thead><tbody>";
    for (const auto& [key, curve] : rows) {
      html += "<tr><th scope=\"row\">" + escape_markup(key == "loss" ? "total" : key.substr(5)) + "</th>" +
              cell(curve->y.front()) + cell(curve->y.back());
      const Series* validation = run_.curve("validation", key);
      if (validated) html += validation == nullptr ? "<td></td>" : cell(validation->y.back());
      html += "</tr>";
    }
    return table("Losses", html + "</tbody>", "dense");
  }

  /// The last kNN results.
  static std::string knn_table(const std::vector<Series>& series) {
    constexpr std::size_t kRows = 10;
    const std::vector<double>& steps = series.front().x;
    std::string html = "<caption>" + std::string(steps.size() > kRows ? "The last results" : "All results") +
                       "</caption><thead><tr><th scope=\"col\" class=\"n\">step</th>";
    for (const Series& one : series)
      html += "<th scope=\"col\" class=\"n\">" + escape_markup(one.name) + "</th>";
    html += "</tr></thead><tbody>";
    for (std::size_t i = steps.size() > kRows ? steps.size() - kRows : 0; i < steps.size(); ++i) {
      html += "<tr><td class=\"n\">" + exact(steps[i]) + "</td>";
      for (const Series& one : series) {
        const auto found = std::find(one.x.begin(), one.x.end(), steps[i]);
        html +=
            "<td class=\"n\">" +
            (found == one.x.end() ? ""
                                  : percent_text(one.y[static_cast<std::size_t>(found - one.x.begin())])) +
            "</td>";
      }
      html += "</tr>";
    }
    return table("kNN accuracy", html + "</tbody>", "dense");
  }

  std::vector<std::string> left_over() const {
    std::vector<std::string> keys;
    const auto train = run_.curves.find("train");
    if (train == run_.curves.end()) return keys;
    for (const auto& [key, curve] : train->second) {
      if (!drawn_.contains(key)) keys.push_back(key);
    }
    return keys;
  }

  /// What holds for all charts of a section of training curves.
  std::string note() const {
    const Series* loss = run_.curve("train", "loss");
    const std::string text = loss == nullptr ? "" : averaging({}, {*loss});
    return text.empty() ? "" : "<p>" + text + "</p>";
  }

  std::string several(const std::string& file, const ChartOptions& options,
                      const std::vector<Series>& series) {
    return page_.chart(file, line_chart(options, series), "");
  }

  std::string single(const std::string& key, const std::string& title, const std::string& unit,
                     bool logarithmic) {
    const Series* curve = take(key);
    if (curve == nullptr) return "";
    return several(key, {title, "step", unit, logarithmic}, {renamed(*curve, "")});
  }

  static std::string phase_table(const std::vector<Series>& shares, const Series& seconds) {
    double total = 0;
    for (const double value : seconds.y) total += value;
    if (!(total > 0)) return "";
    std::string rows;
    for (const Series& share : shares) {
      double spent = 0;
      for (std::size_t i = 0; i < seconds.y.size(); ++i) spent += share.y[i] * seconds.y[i];
      rows += "<tr><th scope=\"row\">" + share.name + "</th><td class=\"n\">" + percent_text(spent / total) +
              "</td><td class=\"n\">" + duration(spent) + "</td></tr>";
    }
    return table("Time",
                 "<caption>Time in all steps, of rank "
                 "0</caption><thead><tr><th "
                 "scope=\"col\"></th><th scope=\"col\" class=\"n\">share</th><th scope=\"col\" "
                 "class=\"n\">time</th></tr></thead><tbody>" +
                     rows + "<tr><th scope=\"row\">sum</th><td class=\"n\">100 %</td><td class=\"n\">" +
                     duration(total) + "</td></tr></tbody>",
                 "dense");
  }

  Page& page_;
  const RunRecord& run_;
  std::set<std::string> drawn_;
};

}  // namespace

void add_curves(Page& page, const RunRecord& run) {
  Curves curves(page, run);
  curves.losses();
  curves.targets();
  curves.neighbours();
  curves.optimisation();
  curves.speed();
}

std::string exact(double value) {
  std::string digits = format("%.0f", std::abs(value));
  for (std::size_t at = digits.size(); digits.size() > 4 && at > 3;) digits.insert(at -= 3, "\u202f");
  return (value < 0 ? "−" : "") + digits;
}

std::string duration(double seconds) {
  const auto whole = static_cast<long>(std::llround(seconds));
  if (whole >= 86400) return format("%ld d %ld h", whole / 86400, whole % 86400 / 3600);
  if (whole >= 3600) return format("%ld h %ld min", whole / 3600, whole % 3600 / 60);
  if (whole >= 60) return format("%ld min %ld s", whole / 60, whole % 60);
  return format("%.3g s", seconds);
}

}  // namespace terramill::report
