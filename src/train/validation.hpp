#pragma once

#include <terramill/loader/loader.hpp>
#include <terramill/parallel/mesh.hpp>
#include <terramill/train/pretrain_config.hpp>
#include <terramill/train/task.hpp>

#include <cstdint>
#include <filesystem>
#include <vector>

namespace terramill::train {

/// The loss on a fixed sample of the validation split, with centred crops and the same random numbers each
/// time. Every
/// micro-batch is computed by one replica, and the mean is taken in their order, so it does not depend on the
/// layout.
class Validation {
 public:
  /// Samples at most `config.train.validation_tiles` tiles; none when the split is empty. Collective.
  Validation(const parallel::Mesh& mesh, const PretrainConfig& config, Task& task);

  std::uint64_t tiles() const noexcept { return positions_; }
  /// The task's losses, means over tiles of those of the micro-batches. Collective. Precondition: tiles() >
  /// 0.
  std::vector<double> run();

 private:
  const parallel::Mesh& mesh_;
  Task& task_;
  loader::Loader loader_;
  loader::Work work_;
  std::uint64_t positions_ = 0;
  int first_ = 0;  ///< of this replica's micro-batches
};

}  // namespace terramill::train
