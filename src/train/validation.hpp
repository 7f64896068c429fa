#pragma once

#include <terramill/loader/loader.hpp>
#include <terramill/parallel/mesh.hpp>
#include <terramill/train/mpmae_task.hpp>

#include <cstdint>
#include <filesystem>
#include <vector>

namespace terramill::train {

/// The loss on a fixed sample of the validation split, with centred crops and the same masks each time. Every
/// micro-batch is computed by one replica, and the mean is taken in their order, so it does not depend on the
/// layout.
class Validation {
 public:
  /// Samples at most `config.train.validation_tiles` tiles; none when the split is empty. Collective.
  Validation(const parallel::Mesh& mesh, const PretrainConfig& config, const MpmaeSetup& setup);

  std::uint64_t tiles() const noexcept { return positions_; }
  /// {total, loss of target 0, …}, means over tiles of the micro-batches' losses. Collective. Precondition:
  /// tiles() > 0.
  std::vector<double> run(model::Mpmae& model, at::ScalarType dtype);

 private:
  const parallel::Mesh& mesh_;
  const PretrainConfig& config_;
  const MpmaeSetup& setup_;
  loader::Loader loader_;
  loader::Work work_;
  std::uint64_t positions_ = 0;
};

}  // namespace terramill::train
