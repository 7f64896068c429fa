#pragma once

#include <terramill/core/json.hpp>
#include <terramill/mpi/communicator.hpp>
#include <terramill/train/pretrain_config.hpp>
#include <terramill/train/step_phases.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace terramill::train {

/// What one rank by itself needs for a step, in seconds: without waiting for others.
struct RankLoad {
  double compute = 0, data_wait = 0, checkpoint = 0;
};

/// A rank that holds the others up.
struct Straggler {
  int rank = 0;
  std::string phase;   ///< "compute", "data_wait" or "checkpoint"
  double seconds = 0;  ///< of that rank
  double others = 0;   ///< median of the other ranks
};

/// The rank and phase with the largest excess over the median of the other ranks, among those that exceed it
/// `factor` times and by more than `least` seconds. Nothing where there is none, or fewer than two ranks.
std::optional<Straggler> find_straggler(std::span<const RankLoad> ranks, double factor, double least);

/// Looks every `window` steps at what each rank needed: compute and data wait are medians over the steps of
/// the window, which one slow step does not move; a checkpoint is the median of the last kCheckpoints, once
/// there are as many. What no one can notice, under kLeastShare of a step, is left out.
class StragglerWatch {
 public:
  static constexpr std::size_t kCheckpoints = 3;
  static constexpr double kLeastShare = 0.05;
  static constexpr int kQuietWindows = 10;  ///< after a finding nothing is said for as many

  /// `share`: this replica's micro-batches over the mean of all replicas; its times are divided by it, since
  /// a replica with more to do is not slow. Collective.
  StragglerWatch(const mpi::Communicator& world, StragglerOptions options, double share);

  /// `host` is known to rank 0 alone.
  struct Finding {
    Straggler straggler;
    std::string host;
    std::int64_t first_step = 0, last_step = 0;

    std::string text() const;
    Json json() const;
  };

  /// What is found after a step, the same on every rank. `saving`: seconds that this rank by itself spent on
  /// a checkpoint since the step before, 0 for none. Collective every `window` steps.
  std::optional<Finding> after_step(std::int64_t step, double seconds, const StepPhases& phases,
                                    double saving);

 private:
  const mpi::Communicator& world_;
  StragglerOptions options_;
  double share_;
  std::vector<std::string> hosts_;  ///< by rank
  std::vector<double> seconds_, compute_, data_wait_, checkpoints_;
  int quiet_ = 0;  ///< windows left without a word
};

}  // namespace terramill::train
