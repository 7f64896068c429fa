#include "page.hpp"
#include "svg.hpp"

#include <terramill/report/bar_chart.hpp>
#include <terramill/report/line_chart.hpp>
#include <terramill/report/scaling_page.hpp>
#include <terramill/report/simulation_page.hpp>

#include <utility>

namespace terramill::report {

namespace {

constexpr double kGigabyte = 1e9;

Json memory_json(const RankMemory& memory) {
  return {{"weights", memory.weights}, {"gradients", memory.gradients},     {"optimiser", memory.optimiser},
          {"teacher", memory.teacher}, {"activations", memory.activations}, {"reserved", memory.reserved},
          {"total", memory.total()}};
}

Json prediction_json(const Prediction& p) {
  const StepSeconds& s = p.step;
  return {{"kind", kind_of(p)},
          {"nodes", p.layout.nodes},
          {"dp", p.layout.dp},
          {"tp", p.layout.tp},
          {"zero", p.zero},
          {"micro_batch_size", p.micro_batch_size},
          {"micro_batches", p.micro_batches},
          {"global_batch", p.global_batch()},
          {"seconds_per_step", s.total()},
          {"images_per_second", p.images_per_second},
          {"efficiency", p.efficiency},
          {"mfu", p.mfu},
          {"reduction", p.algorithm},
          {"phases",
           {{"compute", s.compute},
            {"communication_exposed", s.exposed()},
            {"communication_hidden", s.hidden},
            {"tensor_parallel", s.tensor},
            {"data_wait", s.data_wait},
            {"checkpoint", s.checkpoint},
            {"overhead", s.overhead}}},
          {"memory_bytes", memory_json(p.memory)}};
}

std::string layout_text(const Prediction& p) {
  return "dp " + std::to_string(p.layout.dp) + " × tp " + std::to_string(p.layout.tp) +
         (p.zero ? ", ZeRO-1" : "");
}

std::string batch_text(const Prediction& p) {
  return std::to_string(p.micro_batches) + " × " + std::to_string(p.micro_batch_size);
}

void add_charts(Page& page, const std::vector<Choice>& choices) {
  Series rate{"", {}, {}}, efficiency{"", {}, {}};
  std::vector<StackedBar> bars;
  for (const Choice& choice : choices) {
    if (!choice.best) continue;
    const Prediction& p = *choice.best;
    const StepSeconds& s = p.step;
    rate.x.push_back(static_cast<double>(choice.gpus));
    rate.y.push_back(p.images_per_second);
    efficiency.x.push_back(static_cast<double>(choice.gpus));
    efficiency.y.push_back(p.efficiency);
    const double whole = s.total();
    bars.push_back({std::to_string(choice.gpus) + (choice.gpus == 1 ? " GPU, " : " GPUs, ") + layout_text(p),
                    "hidden " + percent_text(s.hidden / whole),
                    {s.compute / whole, s.exposed() / whole, s.data_wait / whole, s.checkpoint / whole,
                     s.overhead / whole}});
  }
  if (bars.empty()) return;
  ChartOptions rates{"Images/s", "GPUs", ""};
  rates.logarithmic = rates.logarithmic_x = true;
  ChartOptions shares{"Efficiency", "GPUs", ""};
  shares.percent = shares.logarithmic_x = true;
  shares.low = 0;
  page.section("prediction", "Best layouts");
  page.add(
      "<div class=\"charts\">" + page.chart("images", line_chart(rates, {rate}), "") +
      page.chart("efficiency", line_chart(shares, {efficiency}), "100 %: the smallest count of GPUs") +
      page.chart(
          "shares",
          stacked_bars(
              "Shares of a step", "Predicted shares of the step's time by count of GPUs.",
              {"computing", "communication exposed", "data wait", "checkpoint", "optimiser and rest"}, bars),
          "") +
      "</div>\n");
}

void add_layouts(Page& page, const std::vector<Choice>& choices) {
  page.section("layouts", "Layouts");
  std::string rows;
  for (const Choice& choice : choices) {
    const auto cell = [&](const std::string& text) { rows += "<td class=\"n\">" + text + "</td>"; };
    rows += "<tr><td class=\"n\">" + std::to_string(choice.gpus) + "</td>";
    if (!choice.best) {
      rows += "<td colspan=\"11\">none of " + std::to_string(choice.tried) +
              " layouts: " + std::to_string(choice.too_large) + " do not fit the memory</td></tr>";
      continue;
    }
    const Prediction& p = *choice.best;
    rows += "<td>" + layout_text(p) + "</td>";
    cell(batch_text(p));
    cell(readable(p.memory.total() / kGigabyte) + " GB");
    cell(readable(p.step.total()));
    cell(readable(p.images_per_second));
    cell(percent_text(p.efficiency));
    cell(percent_text(p.mfu));
    cell(percent_text(p.step.exposed() / p.step.total()));
    cell(percent_text(p.step.data_wait / p.step.total()));
    rows += "<td>" + p.algorithm + "</td><td>" + kind_of(p) + "</td></tr>";
  }
  std::string head = "<thead><tr><th class=\"n\">GPUs</th><th>layout</th>";
  for (const char* name :
       {"micro-batches", "memory per GPU", "s/step", "images/s", "efficiency", "MFU", "exposed", "data wait"})
    head += std::string("<th class=\"n\">") + name + "</th>";
  page.add(table("Layouts", head + "<th>reduction</th><th>kind</th></tr></thead><tbody>" + rows + "</tbody>",
                 "dense"));
}

void add_points(Page& page, const ScalingFit& fit) {
  page.section("points", "Measured against predicted");
  std::string rows;
  for (const FittedLayout& layout : fit.layouts) {
    const auto cell = [&](const std::string& text) { rows += "<td class=\"n\">" + text + "</td>"; };
    rows += "<tr><th scope=\"row\">" + escape_markup(layout.measured.point.layout()) + "</th>";
    cell(readable(layout.measured.seconds));
    cell(readable(layout.predicted.total()));
    cell(percent_text(layout.residual()));
    const auto left_out = layout.left_out_error();
    cell(left_out ? percent_text(*left_out) : "–");
    rows += "</tr>";
  }
  const auto left_out = fit.mean_left_out_error();
  page.add(
      "<p>Mean error " + percent_text(fit.mean_error()) +
      (left_out ? "; of layouts left out of the fit " + percent_text(*left_out) : "") + ".</p>\n" +
      table("Measured against predicted",
            "<thead><tr><th>Layout</th><th class=\"n\">measured s</th><th class=\"n\">predicted s</th><th "
            "class=\"n\">error</th><th class=\"n\">left out</th></tr></thead><tbody>" +
                rows + "</tbody>",
            "dense"));
}

void add_constants(Page& page, const Simulator& simulator) {
  page.section("constants", "Constants");
  std::string rows;
  for (const Constant& constant : simulator.constants()) {
    rows += "<tr><th scope=\"row\">" + escape_markup(constant.name) + "</th><td class=\"n\">" +
            readable(constant.value) + "</td><td>" + escape_markup(constant.unit) + "</td><td>" +
            escape_markup(constant.origin) + "</td></tr>";
  }
  page.add(table(
      "Constants",
      "<thead><tr><th>Name</th><th class=\"n\">Value</th><th>Unit</th><th>Origin</th></tr></thead><tbody>" +
          rows + "</tbody>",
      "dense"));
}

std::string head_of(const Simulator& simulator, const std::vector<Choice>& choices) {
  bool all_measured = true;
  for (const Choice& choice : choices) all_measured = all_measured && choice.best && choice.best->measured;
  const SimulationOptions& options = simulator.options();
  std::string html =
      "<p class=\"over\">Terramill, simulated step times</p><h1>" + escape_markup(simulator.workload().name) +
      "</h1><p class=\"lede\">On " + escape_markup(simulator.machine().name) + ", " +
      (options.weak ? "weak scaling, " + std::to_string(options.images_per_gpu) + " images per GPU"
                    : "strong scaling") +
      ", " + options.precision + (options.recompute ? ", activations recomputed" : "") + ".";
  if (!all_measured)
    html +=
        " What lies beyond measured points is a <b>scenario</b>: it follows from the constants below, not "
        "from a "
        "measurement.";
  return html + "</p>\n";
}

}  // namespace

std::string kind_of(const Prediction& prediction) { return prediction.measured ? "measured" : "scenario"; }

Json to_json(const Simulator& simulator, const std::vector<Choice>& choices) {
  Json predictions = Json::array(), constants = Json::array();
  for (const Choice& choice : choices) {
    predictions.push_back({{"gpus", choice.gpus},
                           {"tried", choice.tried},
                           {"too_large", choice.too_large},
                           {"best", choice.best ? prediction_json(*choice.best) : Json(nullptr)}});
  }
  for (const Constant& constant : simulator.constants()) {
    constants.push_back({{"name", constant.name},
                         {"value", constant.value},
                         {"unit", constant.unit},
                         {"origin", constant.origin}});
  }
  const SimulationOptions& options = simulator.options();
  return {{"machine", simulator.machine().name},
          {"model", simulator.workload().name},
          {"scaling", options.weak ? "weak" : "strong"},
          {"precision", options.precision},
          {"recompute", options.recompute},
          {"predictions", predictions},
          {"fit", simulator.fit() ? to_json(*simulator.fit()) : Json(nullptr)},
          {"constants", constants}};
}

std::vector<std::string> write_simulation_page(const Simulator& simulator, const std::vector<Choice>& choices,
                                               const std::filesystem::path& output) {
  Page page(output);
  add_charts(page, choices);
  add_layouts(page, choices);
  if (simulator.fit()) add_points(page, *simulator.fit());
  add_constants(page, simulator);
  page.write("Terramill: " + simulator.workload().name + " on " + simulator.machine().name,
             head_of(simulator, choices));
  return page.sections();
}

}  // namespace terramill::report
