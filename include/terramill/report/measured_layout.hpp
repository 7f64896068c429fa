#pragma once

#include <terramill/report/scaling_point.hpp>

#include <optional>
#include <string>
#include <vector>

namespace terramill::report {

/// The repetitions of one layout put together: means, and the range of the rate.
struct MeasuredLayout {
  ScalingPoint point;  ///< the first of them
  int repetitions = 0;
  double seconds = 0;  ///< per step
  double images_per_second = 0, least = 0, most = 0;
  StepPhases phases;
  std::optional<double> mfu;  ///< where every repetition tells it
  /// images/s per rank as a share of the baseline's; 1 for the baseline itself.
  double efficiency = 1, efficiency_least = 1, efficiency_most = 1;
  std::size_t baseline = 0;  ///< which layout it is compared with

  /// Layouts of one experiment are compared with one another: the same model, data, arithmetic and kind of
  /// scaling, and the same global batch (strong) or images per replica (weak).
  std::string experiment() const;
  /// "dp 4 x tp 2, ZeRO-1", with what tells the layout from others of its experiment.
  std::string short_name() const;
};

/// The layouts in the order in which they first appear. The baseline of an experiment is its layout of fewest
/// ranks, of several the one with the highest rate. Strong and weak efficiency are the same ratio of rates
/// per rank; what differs is whether the work of a step grows.
std::vector<MeasuredLayout> measured_layouts(const std::vector<ScalingPoint>& points);

}  // namespace terramill::report
