#include <terramill/parallel/data_sheet.hpp>
#include <terramill/report/scaling_page.hpp>

namespace terramill::report {

namespace {

Json or_null(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json link_json(const std::optional<Link>& link) {
  if (!link) return nullptr;
  return {{"latency_seconds", link->latency},
          {"bandwidth_bytes_per_second",
           link->seconds_per_byte > 0 ? Json(1 / link->seconds_per_byte) : Json(nullptr)}};
}

Json phases_json(const MeasuredLayout& layout) {
  const StepPhases& p = layout.phases;
  return {{"compute", p.compute},
          {"communication_exposed", p.communication_exposed},
          {"communication_hidden", p.communication_hidden},
          {"data_wait", p.data_wait},
          {"checkpoint", p.checkpoint}};
}

Json layout_json(const MeasuredLayout& layout) {
  const ScalingPoint& point = layout.point;
  return {{"experiment", layout.experiment()},
          {"layout", layout.short_name()},
          {"nodes", point.nodes},
          {"ranks", point.ranks},
          {"dp", point.dp},
          {"tp", point.tp},
          {"zero", point.zero},
          {"scaling", point.scaling},
          {"global_batch", point.global_batch},
          {"repetitions", layout.repetitions},
          {"seconds_per_step", layout.seconds},
          {"images_per_second", layout.images_per_second},
          {"images_per_second_least", layout.least},
          {"images_per_second_most", layout.most},
          {"efficiency", layout.efficiency},
          {"efficiency_least", layout.efficiency_least},
          {"efficiency_most", layout.efficiency_most},
          {"mfu", or_null(mfu_of(layout))},
          {"phases", phases_json(layout)}};
}

}  // namespace

ScalingReport make_scaling_report(const ScalingPoints& points, const FitOptions& options) {
  ScalingReport report;
  report.layouts = measured_layouts(points.points);
  report.remarks = points.remarks;
  if (report.layouts.size() >= kLayoutsToFit) {
    report.fit = fit_scaling(points.points, options);
  } else {
    report.remarks.push_back("No model is fitted: that takes " + std::to_string(kLayoutsToFit) +
                             " layouts or more that differ in ranks, tp or batch, and here are " +
                             std::to_string(report.layouts.size()) + ".");
  }
  return report;
}

std::optional<double> mfu_of(const MeasuredLayout& layout) {
  if (layout.mfu) return layout.mfu;
  const ScalingPoint& point = layout.point;
  const auto peak =
      point.peak_flops ? point.peak_flops : parallel::data_sheet_peak(point.device, point.precision);
  if (!peak || *peak <= 0 || point.flops_per_image <= 0) return std::nullopt;
  return point.flops_per_image * layout.images_per_second / (static_cast<double>(point.ranks) * *peak);
}

Json to_json(const ScalingFit& fit) {
  Json workloads = Json::array(), links = Json::array(), layouts = Json::array();
  for (const auto& [name, w] : fit.workloads) {
    workloads.push_back(
        {{"workload", name},
         {"layouts", w.layouts},
         {"compute_seconds_per_image_split", w.image_split},
         {"compute_seconds_per_image_repeated", w.image_whole},
         {"compute_seconds_per_micro_batch", w.micro_batch},
         {"data_wait_seconds_per_image", w.image_wait},
         {"overhead_seconds_per_step", w.overhead},
         {"checkpoint_seconds_per_step", w.checkpoint},
         {"reached_flops_per_second", w.flops_per_image > 0 && w.image_split + w.image_whole > 0
                                          ? Json(w.flops_per_image / (w.image_split + w.image_whole))
                                          : Json(nullptr)}});
  }
  for (const auto& [name, link] : fit.links)
    links.push_back({{"reduction", name},
                     {"within_node", link_json(link.local)},
                     {"between_nodes", link_json(link.remote)}});
  for (const FittedLayout& layout : fit.layouts) {
    layouts.push_back({{"layout", layout.measured.point.layout()},
                       {"measured_seconds", layout.measured.seconds},
                       {"predicted_seconds", layout.predicted.total()},
                       {"residual", layout.residual()},
                       {"left_out_seconds", or_null(layout.left_out)},
                       {"left_out_error", or_null(layout.left_out_error())}});
  }
  return {{"cores_shared", fit.options.cores},
          {"workloads", workloads},
          {"links", links},
          {"overlap_share", fit.overlap},
          {"layouts", layouts},
          {"mean_error", fit.mean_error()},
          {"mean_left_out_error", or_null(fit.mean_left_out_error())}};
}

Json to_json(const ScalingReport& report) {
  Json layouts = Json::array();
  for (const MeasuredLayout& layout : report.layouts) layouts.push_back(layout_json(layout));
  return {{"layouts", layouts},
          {"fit", report.fit ? to_json(*report.fit) : Json(nullptr)},
          {"remarks", report.remarks}};
}

}  // namespace terramill::report
