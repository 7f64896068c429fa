#include "page.hpp"
#include "svg.hpp"

#include <terramill/parallel/data_sheet.hpp>
#include <terramill/report/bar_chart.hpp>
#include <terramill/report/line_chart.hpp>
#include <terramill/report/scaling_page.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

namespace terramill::report {

namespace {

using Layouts = std::vector<const MeasuredLayout*>;

/// The experiments in the order in which they first appear.
std::vector<Layouts> experiments_of(const ScalingReport& report) {
  std::vector<Layouts> experiments;
  std::map<std::string, std::size_t> known;
  for (const MeasuredLayout& layout : report.layouts) {
    const auto [found, is_new] = known.try_emplace(layout.experiment(), experiments.size());
    if (is_new) experiments.emplace_back();
    experiments[found->second].push_back(&layout);
  }
  return experiments;
}

/// The layouts of an experiment as curves over ranks.
std::vector<std::pair<std::string, Layouts>> curves_of(Layouts layouts) {
  std::set<std::int64_t> sizes;
  for (const MeasuredLayout* layout : layouts) sizes.insert(layout->point.micro_batch_size);
  std::stable_sort(layouts.begin(), layouts.end(), [](const MeasuredLayout* a, const MeasuredLayout* b) {
    return a->point.ranks < b->point.ranks;
  });
  std::vector<std::pair<std::string, Layouts>> curves;
  const auto curve = [&](const std::string& name) -> Layouts& {
    for (auto& [known, members] : curves) {
      if (known == name) return members;
    }
    return curves.emplace_back(name, Layouts()).second;
  };
  for (const MeasuredLayout* layout : layouts) {
    const ScalingPoint& point = layout->point;
    std::string name = "tp " + std::to_string(point.tp) + (point.zero ? ", ZeRO-1" : "");
    if (sizes.size() > 1) name += ", micro-batch " + std::to_string(point.micro_batch_size);
    const Layouts& members = curve(name);
    const bool taken = !members.empty() && members.back()->point.ranks == point.ranks;
    if (taken) name += ", " + std::to_string(point.nodes) + (point.nodes == 1 ? " node" : " nodes");
    curve(name).push_back(layout);
  }
  return curves;
}

std::string count_text(std::size_t count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

void add_efficiency(Page& page, const ScalingReport& report) {
  page.section("efficiency", "Efficiency");
  page.add(
      "<p>Images per second over ranks, and per rank as a share of the experiment's smallest layout. Upright "
      "lines "
      "go from the least to the greatest repetition.</p>\n");
  int number = 0;
  for (const Layouts& layouts : experiments_of(report)) {
    ++number;
    const std::string label = ", experiment " + std::to_string(number);
    std::vector<Series> rates, shares;
    for (const auto& [name, members] : curves_of(layouts)) {
      Series rate{name, {}, {}}, share{name, {}, {}};
      for (const MeasuredLayout* layout : members) {
        const auto ranks = static_cast<double>(layout->point.ranks);
        rate.x.push_back(ranks);
        rate.y.push_back(layout->images_per_second);
        rate.low.push_back(layout->least);
        rate.high.push_back(layout->most);
        share.x.push_back(ranks);
        share.y.push_back(layout->efficiency);
        share.low.push_back(layout->efficiency_least);
        share.high.push_back(layout->efficiency_most);
      }
      rates.push_back(std::move(rate));
      shares.push_back(std::move(share));
    }
    const bool weak = layouts.front()->point.scaling == "weak";
    ChartOptions rate{"Images/s" + label, "ranks", ""};
    rate.logarithmic = rate.logarithmic_x = true;
    ChartOptions share{(weak ? "Weak efficiency" : "Strong efficiency") + label, "ranks", ""};
    share.percent = share.logarithmic_x = true;
    share.low = 0;
    const ScalingPoint& base = report.layouts[layouts.front()->baseline].point;
    page.add("<h3>" + std::to_string(number) + ". " + escape_markup(layouts.front()->experiment()) +
             "</h3>\n<div class=\"charts\">" +
             page.chart("images-" + std::to_string(number), line_chart(rate, rates), "") +
             page.chart("efficiency-" + std::to_string(number), line_chart(share, shares),
                        "100 %: " + std::to_string(base.ranks) + (base.ranks == 1 ? " rank" : " ranks") +
                            ", dp " + std::to_string(base.dp) + " × tp " + std::to_string(base.tp)) +
             "</div>\n");
  }
}

void add_shares(Page& page, const ScalingReport& report) {
  page.section("shares", "Where a step's time goes");
  page.add(
      "<p>Shares of the step on the rank that computes longest. Hidden communication goes on behind "
      "computing and "
      "takes no time of its own.</p>\n<div class=\"charts\">");
  int number = 0;
  for (const Layouts& layouts : experiments_of(report)) {
    std::vector<StackedBar> bars;
    for (const MeasuredLayout* layout : layouts) {
      const StepPhases& p = layout->phases;
      const double known = p.compute + p.communication_exposed + p.data_wait + p.checkpoint;
      const double whole = std::max(layout->seconds, known);
      bars.push_back({layout->short_name(),
                      "hidden " + percent_text(p.communication_hidden / whole),
                      {p.compute / whole, p.communication_exposed / whole, p.data_wait / whole,
                       p.checkpoint / whole, (whole - known) / whole}});
    }
    const std::string name = std::to_string(++number);
    page.add(page.chart(
        "shares-" + name,
        stacked_bars("Shares of a step, experiment " + name, "Shares of the step's time by layout.",
                     {"computing", "communication exposed", "data wait", "checkpoint", "rest"}, bars),
        escape_markup(layouts.front()->experiment())));
  }
  page.add("</div>\n");
}

void add_mfu(Page& page, const ScalingReport& report) {
  page.section("mfu", "Model FLOPs utilisation");
  std::string rows;
  for (const MeasuredLayout& layout : report.layouts) {
    const auto mfu = mfu_of(layout);
    if (!mfu) continue;
    rows += "<tr><th scope=\"row\">" + escape_markup(layout.point.config + ", " + layout.short_name()) +
            "</th><td>" + escape_markup(layout.point.device) + "</td><td class=\"n\">" + percent_text(*mfu) +
            "</td></tr>";
  }
  if (!rows.empty())
    page.add(table("Utilisation of each layout",
                   "<thead><tr><th>Layout</th><th>Device</th><th class=\"n\">MFU</th></tr></thead><tbody>" +
                       rows + "</tbody>",
                   "dense") +
             "<p>The model's operations per second over the peak of all devices; operations that are "
             "repeated to save "
             "memory do not count.</p>\n");
  else
    page.add("<p>No point tells both its operations per image and a device of known peak.</p>\n");
  std::string devices;
  for (const parallel::DataSheet& device : parallel::data_sheets()) {
    const auto peak = [](double value) { return value > 0 ? readable(value) : std::string("–"); };
    devices += "<tr><th scope=\"row\">" + escape_markup(device.name) + "</th><td class=\"n\">" +
               peak(device.bfloat16) + "</td><td class=\"n\">" + peak(device.tfloat32) +
               "</td><td class=\"n\">" + peak(device.float32) + "</td><td>" + escape_markup(device.source) +
               "</td></tr>";
  }
  page.add(
      "<h3>Published peaks</h3>\n" +
      table(
          "Peaks of devices",
          "<caption>Dense operations per second, in 10<sup>12</sup></caption><thead><tr><th>Device</th><th "
          "class=\"n\">bfloat16</th><th class=\"n\">TF32</th><th class=\"n\">float32</th><th>Source</th></tr>"
          "</thead><tbody>" +
              devices + "</tbody>",
          "dense"));
}

/// Rows of one link's coefficients.
void add_link(std::vector<std::pair<std::string, std::string>>& rows, const std::string& name,
              const std::optional<Link>& link) {
  if (!link) return;
  rows.emplace_back("Latency " + name, readable(1e6 * link->latency) + " µs per message");
  rows.emplace_back("Bandwidth " + name, link->seconds_per_byte > 0
                                             ? readable(1e-6 / link->seconds_per_byte) + " MB/s"
                                             : "so high that it does not show");
}

std::string coefficients(const ScalingFit& fit) {
  std::vector<std::pair<std::string, std::string>> rows;
  const auto milliseconds = [](double seconds) { return readable(1e3 * seconds) + " ms"; };
  for (const auto& [name, w] : fit.workloads) {
    rows.emplace_back("Workload", "<b>" + escape_markup(name) + "</b>, " +
                                      count_text(static_cast<std::size_t>(w.layouts), "layout"));
    rows.emplace_back("Computing, divided by tp", milliseconds(w.image_split) + " per image");
    if (w.image_whole > 0)
      rows.emplace_back("Computing, on every tp rank", milliseconds(w.image_whole) + " per image");
    if (w.micro_batch > 0) rows.emplace_back("Starting", milliseconds(w.micro_batch) + " per micro-batch");
    if (w.flops_per_image > 0 && w.image_split + w.image_whole > 0)
      rows.emplace_back("Reached", readable(1e-9 * w.flops_per_image / (w.image_split + w.image_whole)) +
                                       " GFLOP/s per rank");
    rows.emplace_back("Data wait", milliseconds(w.image_wait) + " per image of a replica");
    rows.emplace_back("Overhead", milliseconds(w.overhead) + " per step");
  }
  for (const auto& [name, link] : fit.links) {
    add_link(rows, "within a node, " + name, link.local);
    add_link(rows, "between nodes, " + name, link.remote);
  }
  rows.emplace_back("Overlap", percent_text(fit.overlap) + " of the backward pass hides reduction");
  if (fit.options.cores > 0)
    rows.emplace_back("Cores", std::to_string(fit.options.cores) + " shared by all ranks, as told");
  return facts(rows, "Coefficients of the model");
}

void add_model(Page& page, const ScalingReport& report) {
  page.section("model", "Fitted model");
  for (const std::string& remark : report.remarks) page.add("<p>" + escape_markup(remark) + "</p>\n");
  if (!report.fit) return;
  const ScalingFit& fit = *report.fit;
  Series residual{"fitted", {}, {}}, left_out{"layout left out of the fit", {}, {}};
  for (const FittedLayout& layout : fit.layouts) {
    residual.x.push_back(layout.measured.seconds);
    residual.y.push_back(layout.residual());
    if (const auto error = layout.left_out_error()) {
      left_out.x.push_back(layout.measured.seconds);
      left_out.y.push_back(*error);
    }
  }
  ChartOptions options{"Error of the predicted step time", "measured seconds per step", ""};
  options.percent = options.unjoined = options.logarithmic_x = true;
  options.points = 100000;
  const auto left_out_error = fit.mean_left_out_error();
  page.add(
      "<p>step = computing + exposed communication + data wait + checkpoint + overhead, with latency and "
      "bandwidth "
      "per kind of link (Hockney 1994; rings after Thakur, Rabenseifner and Gropp 2005), by least squares "
      "with "
      "coefficients of 0 or more. Terms that the points cannot tell apart are left out.</p>\n");
  page.add("<div class=\"charts\"><div class=\"fit\">" + coefficients(fit) + "</div>" +
           page.chart("residuals", line_chart(options, {residual, left_out}),
                      "(predicted − measured) / measured. Mean size " + percent_text(fit.mean_error()) +
                          (left_out_error ? "; of layouts left out " + percent_text(*left_out_error) : "")) +
           "</div>\n");
}

void add_points(Page& page, const ScalingReport& report) {
  page.section("points", "All layouts");
  std::string rows;
  for (std::size_t i = 0; i < report.layouts.size(); ++i) {
    const MeasuredLayout& layout = report.layouts[i];
    const ScalingPoint& point = layout.point;
    const auto cell = [&](const std::string& text) { rows += "<td class=\"n\">" + text + "</td>"; };
    rows += "<tr><th scope=\"row\">" + escape_markup(point.config + ", " + point.scaling) + "</th>";
    for (const std::int64_t value :
         {point.nodes, point.ranks, point.dp, point.tp, point.micro_batches, point.micro_batch_size})
      cell(std::to_string(value));
    cell(point.zero ? "yes" : "no");
    rows += "<td>" + escape_markup(point.codec) + "</td><td>" + escape_markup(point.reduction) + "</td>";
    cell(std::to_string(layout.repetitions));
    cell(readable(layout.seconds));
    cell(readable(layout.images_per_second));
    cell(readable(layout.least) + "–" + readable(layout.most));
    cell(percent_text(layout.efficiency));
    const auto mfu = mfu_of(layout);
    cell(mfu ? percent_text(*mfu) : "–");
    if (report.fit) {
      const FittedLayout& fitted = report.fit->layouts[i];
      cell(readable(fitted.predicted.total()));
      cell(percent_text(fitted.residual()));
      const auto left_out = fitted.left_out_error();
      cell(left_out ? percent_text(*left_out) : "–");
    }
    rows += "</tr>";
  }
  std::string head = "<thead><tr><th>Model, scaling</th>";
  for (const char* name : {"nodes", "ranks", "dp", "tp", "micro-batches", "of", "ZeRO-1"})
    head += std::string("<th class=\"n\">") + name + "</th>";
  head += "<th>codec</th><th>reduction</th>";
  for (const char* name : {"repeated", "s/step", "images/s", "range", "efficiency", "MFU"})
    head += std::string("<th class=\"n\">") + name + "</th>";
  if (report.fit) {
    for (const char* name : {"predicted s", "error", "left out"})
      head += std::string("<th class=\"n\">") + name + "</th>";
  }
  page.add(table("All layouts", head + "</tr></thead><tbody>" + rows + "</tbody>", "dense"));
}

std::string head_of(const ScalingReport& report) {
  std::set<std::string> configs, devices;
  double most = 0;
  std::int64_t ranks = 0;
  int repetitions = 0;
  for (const MeasuredLayout& layout : report.layouts) {
    configs.insert(layout.point.config);
    devices.insert(layout.point.device == "cpu" ? layout.point.processor : layout.point.device);
    most = std::max(most, layout.images_per_second);
    ranks = std::max(ranks, layout.point.ranks);
    repetitions += layout.repetitions;
  }
  const auto joined = [](const std::set<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ", ") + escape_markup(name);
    return text;
  };
  std::string html = "<p class=\"over\">Terramill, scaling experiment</p><h1>" + joined(configs) +
                     "</h1><p class=\"lede\">Measured on " + joined(devices) + ".</p>\n<dl class=\"key\">";
  html += key_number("Layouts", std::to_string(report.layouts.size()),
                     count_text(static_cast<std::size_t>(repetitions), "measurement"));
  html += key_number("Ranks, at most", std::to_string(ranks), "");
  html += key_number("Speed, at most", readable(most) + " <small>images/s</small>", "");
  if (report.fit) {
    html += key_number("Model's error", percent_text(report.fit->mean_error()), "mean over layouts");
    if (const auto error = report.fit->mean_left_out_error())
      html += key_number("Left out", percent_text(*error), "mean error of layouts left out of the fit");
  }
  return html + "</dl>\n";
}

}  // namespace

std::vector<std::string> write_scaling_page(const ScalingReport& report,
                                            const std::filesystem::path& output) {
  Page page(output);
  add_efficiency(page, report);
  add_shares(page, report);
  add_mfu(page, report);
  add_model(page, report);
  add_points(page, report);
  page.write("Terramill: scaling experiment", head_of(report));
  return page.sections();
}

}  // namespace terramill::report
