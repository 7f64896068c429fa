#pragma once

#include "held_out.hpp"

#include <terramill/train/task.hpp>

#include <cstdint>
#include <vector>

namespace terramill::train {

/// The loss on a fixed sample of the validation split, with centred windows and the same random numbers each
/// time. Every micro-batch is computed by one replica, and the mean is taken in their order, so it does not
/// depend on the layout.
class Validation {
 public:
  /// Samples at most `config.train.validation_tiles` tiles; none when the split is empty. Collective.
  Validation(const parallel::Mesh& mesh, const PretrainConfig& config, Task& task);

  std::uint64_t tiles() const noexcept { return held_.tiles; }
  /// The task's losses, means over tiles of those of the micro-batches. Collective. Precondition: tiles() >
  /// 0.
  std::vector<double> run();

 private:
  const parallel::Mesh& mesh_;
  Task& task_;
  loader::Loader loader_;
  HeldOut held_;
  double max_bad_rate_;
};

}  // namespace terramill::train
