#pragma once

#include <terramill/report/measured_layout.hpp>
#include <terramill/report/step_model.hpp>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace terramill::report {

inline constexpr std::size_t kLayoutsToFit = 3;  ///< fewer layouts tell too little

struct FitOptions {
  /// Processor cores that all ranks of a job share, where nodes are parts of one machine; 0: ranks have their
  /// processors to themselves.
  int cores = 0;
};

/// What one workload (configuration, device, precision) costs on one rank, in seconds; see StepCosts.
struct WorkloadCosts {
  double image_split = 0, image_whole = 0, micro_batch = 0, image_wait = 0, overhead = 0, checkpoint = 0;
  double flops_per_image = 0;  ///< as recorded; 0: not
  int layouts = 0;             ///< behind these numbers
};

/// The links as the collectives of one kind of reduction see them; nothing where no point tells.
struct LinkCosts {
  std::optional<Link> local, remote;
};

/// A layout and what the model makes of it, in seconds per step.
struct FittedLayout {
  MeasuredLayout measured;
  StepSeconds predicted;
  /// The prediction of a fit without this layout; nothing where no other layout tells what it needs.
  std::optional<double> left_out;

  /// (predicted - measured) / measured.
  double residual() const noexcept;
  std::optional<double> left_out_error() const noexcept;
};

/// A latency-bandwidth-compute model of the step time, fitted to measured points.
struct ScalingFit {
  std::map<std::string, WorkloadCosts> workloads;  ///< by workload_of()
  std::map<std::string, LinkCosts> links;          ///< by ScalingPoint::reduction
  double overlap = 0;                              ///< StepCosts::overlap
  FitOptions options;
  std::vector<FittedLayout> layouts;

  /// Mean of |residual()|.
  double mean_error() const noexcept;
  /// Mean of |left_out_error()| of the layouts that have one; nothing without any.
  std::optional<double> mean_left_out_error() const noexcept;

  /// The costs of a point's step; nothing where a coefficient that it needs is not known.
  std::optional<StepCosts> costs_of(const ScalingPoint& point) const;
};

/// "terrafm-small, float32, cpu": what shares the costs of computing.
std::string workload_of(const ScalingPoint& point);
/// What a point's step asks of its busiest rank.
StepWork work_of(const ScalingPoint& point, const FitOptions& options);

/// Fits the model of step_model.hpp by least squares with coefficients of at least 0. The phases are fitted
/// one by one, since together they can hardly be told apart: computing per workload, all communication
/// (exposed and hidden) per kind of reduction and link, the overlap on what was hidden; data wait, checkpoint
/// and the rest are means. Equations are divided by the measured step time and weigh as many as they have
/// repetitions. A term whose value the points cannot tell is left out: repeated work with one tp, the cost of
/// a micro-batch with one micro-batch size, a link that nothing passes.
///
/// UsageError for fewer than kLayoutsToFit layouts.
ScalingFit fit_scaling(const std::vector<ScalingPoint>& points, const FitOptions& options = {});

}  // namespace terramill::report
