#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace terramill::fault {

/// Centre and spread of a sample, whatever outliers it holds.
struct RobustScale {
  double median = 0;
  /// 1.4826 times the median absolute deviation, which estimates the standard deviation of a normal
  /// distribution (Rousseeuw and Croux, "Alternatives to the median absolute deviation", 1993, section 1).
  double deviation = 0;
};
RobustScale robust_scale(std::span<const double> sample);

/// When a step counts as a spike. A z of 0 switches its test off.
struct GuardOptions {
  double spike_z = 0;  ///< deviations of the loss above the median of the window
  double norm_z = 0;   ///< the same of the gradient's norm
  int window = 100;    ///< accepted steps that the medians are over
};

/// What a step that was accepted came to.
struct AcceptedStep {
  double loss = 0, norm = 0;
};

/// Judges a step by its loss and its gradient's norm, before the update: what is not finite, or far above the
/// last accepted steps, must not count. Spikes are looked for once kLeastSteps have been accepted; a
/// deviation under kLeastDeviation of the median counts as that much.
class Guard {
 public:
  static constexpr std::size_t kLeastSteps = 20;
  static constexpr double kLeastDeviation = 1e-3;

  explicit Guard(GuardOptions options) : options_(options) {}

  /// The last accepted steps, oldest first; none where no spike is looked for. Part of a checkpoint: with it
  /// a replay judges as the first time.
  using Window = std::vector<AcceptedStep>;

  /// Why the step must not count, or nothing.
  std::optional<std::string> objection(const Window& window, double loss, double norm) const;
  void accept(Window& window, double loss, double norm) const;

 private:
  GuardOptions options_;
};

/// The replicas whose hash is not that of the majority. Nothing where all agree; an empty list where no
/// majority exists, as between two.
std::optional<std::vector<int>> odd_replicas(std::span<const std::uint64_t> hashes);

}  // namespace terramill::fault
