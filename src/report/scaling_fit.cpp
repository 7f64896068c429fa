#include "least_squares.hpp"

#include <terramill/core/error.hpp>
#include <terramill/report/scaling_fit.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <utility>

namespace terramill::report {

namespace {

constexpr int kOverlapSteps = 100;
constexpr double kBucketBytes = 25.0 * (1 << 20);  // of parallel::GradientBuffer

using Layouts = std::vector<const MeasuredLayout*>;

/// One regression: equations and their weights.
struct Equations {
  std::vector<std::vector<double>> rows;
  std::vector<double> right, weights;

  void add(std::vector<double> row, double value, const MeasuredLayout& layout) {
    rows.push_back(std::move(row));
    right.push_back(value);
    weights.push_back(std::sqrt(layout.repetitions) / layout.seconds);
  }
  std::vector<double> solve() const { return non_negative_least_squares(rows, right, weights); }
};

double rest_of(const MeasuredLayout& layout) {
  const StepPhases& p = layout.phases;
  return layout.seconds - p.compute - p.communication_exposed - p.data_wait - p.checkpoint;
}

WorkloadCosts fit_workload(const Layouts& layouts, const FitOptions& options) {
  std::set<std::int64_t> tps, sizes;
  for (const MeasuredLayout* layout : layouts) {
    tps.insert(layout->point.tp);
    sizes.insert(layout->point.micro_batch_size);
  }
  Equations compute, wait;
  WorkloadCosts costs;
  double repetitions = 0;
  for (const MeasuredLayout* layout : layouts) {
    const StepWork work = work_of(layout->point, options);
    compute.add({work.crowding * work.images / work.tp, tps.size() > 1 ? work.crowding * work.images : 0,
                 sizes.size() > 1 ? work.crowding * work.micro_batches : 0},
                layout->phases.compute, *layout);
    wait.add({work.images}, layout->phases.data_wait, *layout);
    repetitions += layout->repetitions;
    costs.overhead += layout->repetitions * rest_of(*layout);
    costs.checkpoint += layout->repetitions * layout->phases.checkpoint;
    costs.flops_per_image = std::max(costs.flops_per_image, layout->point.flops_per_image);
  }
  const std::vector<double> x = compute.solve();
  costs.image_split = x[0];
  costs.image_whole = x[1];
  costs.micro_batch = x[2];
  costs.image_wait = wait.solve()[0];
  costs.overhead = std::max(0.0, costs.overhead / repetitions);
  costs.checkpoint /= repetitions;
  costs.layouts = static_cast<int>(layouts.size());
  return costs;
}

LinkCosts fit_links(const Layouts& layouts, const FitOptions& options) {
  Equations equations;
  bool local = false, remote = false;
  for (const MeasuredLayout* layout : layouts) {
    const StepWork work = work_of(layout->point, options);
    std::vector<double> row(4, 0.0);
    for (const Traffic& traffic : {work.reduction, work.tensor}) {
      row[0] += traffic.local_messages;
      row[1] += traffic.local_bytes;
      row[2] += traffic.remote_messages;
      row[3] += traffic.remote_bytes;
    }
    local = local || row[0] > 0;
    remote = remote || row[2] > 0;
    if (row[0] + row[2] == 0) continue;
    equations.add(row, layout->phases.communication_exposed + layout->phases.communication_hidden, *layout);
  }
  LinkCosts costs;
  if (equations.rows.empty()) return costs;
  const std::vector<double> x = equations.solve();
  if (local) costs.local = Link{x[0], x[1]};
  if (remote) costs.remote = Link{x[2], x[3]};
  return costs;
}

/// The overlap that comes closest to what was hidden.
double fit_overlap(const Layouts& layouts, const FitOptions& options) {
  double best = 0, least = -1;
  for (int i = 0; i <= kOverlapSteps; ++i) {
    const double overlap = static_cast<double>(i) / kOverlapSteps;
    double error = 0;
    for (const MeasuredLayout* layout : layouts) {
      const StepWork work = work_of(layout->point, options);
      const StepPhases& p = layout->phases;
      const double window = hiding_share(work.zero) * p.compute / work.micro_batches;
      const double all = p.communication_exposed + p.communication_hidden;
      error += layout->repetitions *
               std::pow((p.communication_hidden - std::min(all, overlap * window)) / layout->seconds, 2);
    }
    if (least < 0 || error < least) {
      least = error;
      best = overlap;
    }
  }
  return best;
}

/// The coefficients alone.
ScalingFit fit(const Layouts& layouts, const FitOptions& options) {
  ScalingFit result;
  result.options = options;
  std::map<std::string, Layouts> by_workload, by_reduction;
  Layouts reduced;
  for (const MeasuredLayout* layout : layouts) {
    by_workload[workload_of(layout->point)].push_back(layout);
    by_reduction[layout->point.reduction].push_back(layout);
    if (layout->point.dp > 1) reduced.push_back(layout);
  }
  for (const auto& [name, group] : by_workload) result.workloads[name] = fit_workload(group, options);
  for (const auto& [name, group] : by_reduction) result.links[name] = fit_links(group, options);
  result.overlap = fit_overlap(reduced, options);
  return result;
}

double mean_size(double sum, std::size_t count) { return count == 0 ? 0 : sum / static_cast<double>(count); }

}  // namespace

double FittedLayout::residual() const noexcept {
  return (predicted.total() - measured.seconds) / measured.seconds;
}

std::optional<double> FittedLayout::left_out_error() const noexcept {
  if (!left_out) return std::nullopt;
  return (*left_out - measured.seconds) / measured.seconds;
}

double ScalingFit::mean_error() const noexcept {
  double sum = 0;
  for (const FittedLayout& layout : layouts) sum += std::abs(layout.residual());
  return mean_size(sum, layouts.size());
}

std::optional<double> ScalingFit::mean_left_out_error() const noexcept {
  double sum = 0;
  std::size_t count = 0;
  for (const FittedLayout& layout : layouts) {
    if (const auto error = layout.left_out_error()) {
      sum += std::abs(*error);
      ++count;
    }
  }
  if (count == 0) return std::nullopt;
  return mean_size(sum, count);
}

std::optional<StepCosts> ScalingFit::costs_of(const ScalingPoint& point) const {
  const auto workload = workloads.find(workload_of(point));
  const auto link = links.find(point.reduction);
  if (workload == workloads.end() || link == links.end()) return std::nullopt;
  const StepWork work = work_of(point, options);
  const bool local = work.reduction.local_messages + work.tensor.local_messages > 0;
  const bool remote = work.reduction.remote_messages + work.tensor.remote_messages > 0;
  if ((local && !link->second.local) || (remote && !link->second.remote)) return std::nullopt;
  const WorkloadCosts& w = workload->second;
  return StepCosts{w.image_split,
                   w.image_whole,
                   w.micro_batch,
                   link->second.local.value_or(Link{}),
                   link->second.remote.value_or(Link{}),
                   overlap,
                   w.image_wait,
                   w.overhead,
                   w.checkpoint};
}

std::string workload_of(const ScalingPoint& point) {
  return point.config + ", " + point.precision + (point.checkpointing ? ", activations recomputed" : "") +
         ", " + point.device;
}

StepWork work_of(const ScalingPoint& point, const FitOptions& options) {
  const RankLayout layout{point.nodes, point.dp, point.tp};
  StepWork work;
  work.micro_batches = std::ceil(static_cast<double>(point.micro_batches) / static_cast<double>(point.dp));
  work.images = work.micro_batches * static_cast<double>(point.micro_batch_size);
  work.tp = static_cast<double>(point.tp);
  if (options.cores > 0) work.crowding = std::max(1.0, static_cast<double>(point.ranks) / options.cores);
  work.zero = point.zero;
  work.reduction = reduction_traffic(layout, point.gradient_bytes);
  const double buckets = std::max(1.0, std::ceil(point.gradient_bytes / kBucketBytes));
  work.reduction.local_messages *= buckets;
  work.reduction.remote_messages *= buckets;
  work.tensor = tensor_traffic(layout, static_cast<double>(point.tp_calls), point.tp_bytes);
  return work;
}

ScalingFit fit_scaling(const std::vector<ScalingPoint>& points, const FitOptions& options) {
  const std::vector<MeasuredLayout> measured = measured_layouts(points);
  if (measured.size() < kLayoutsToFit) {
    throw UsageError(
        std::to_string(measured.size()) + " measured layouts are too few for a model of the step time",
        {"fit the step time", "",
         "measure three layouts or more that differ in ranks, tp or batch: terramill bench on 1, 2 and 4 "
         "ranks"});
  }
  Layouts all;
  for (const MeasuredLayout& layout : measured) all.push_back(&layout);
  ScalingFit result = fit(all, options);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const MeasuredLayout& layout = measured[i];
    const StepWork work = work_of(layout.point, options);
    FittedLayout fitted{layout, {}, std::nullopt};
    if (const auto costs = result.costs_of(layout.point)) fitted.predicted = predict(*costs, work);
    Layouts others = all;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(i));
    if (const auto costs = fit(others, options).costs_of(layout.point))
      fitted.left_out = predict(*costs, work).total();
    result.layouts.push_back(std::move(fitted));
  }
  return result;
}

}  // namespace terramill::report
