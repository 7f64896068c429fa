#pragma once

#include <terramill/parallel/tensor_group.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <torch/nn/module.h>

namespace terramill::model {

/// Where a linear layer's arithmetic is split over a tensor-parallel group (Shoeybi et al. 2019, section 3).
enum class Split {
  kNone,
  kColumn,  ///< each rank has some outputs
  kRow,     ///< each rank has some inputs, and the ranks' results are summed
};

/// Which of a layer's outputs (kColumn) or inputs (kRow) a rank has: its share of `units` equal parts, in
/// each of `blocks` equal blocks.
struct Splitting {
  Split split = Split::kNone;
  parallel::TensorGroup group;
  std::int64_t units = 0;    ///< 0: every output, or input, is one
  int blocks = 1;            ///< kColumn alone: 3 for query, key and value
  bool on_own_rows = false;  ///< what follows the sum sees this rank's rows only (RowRegion)
};

/// A module that holds parameters of which a rank may have a part. It remembers each one's placement.
class SplitModule : public torch::nn::Module {
 public:
  /// By the names of this module's own parameters.
  const parallel::Placements& placements() const noexcept { return placements_; }

 protected:
  /// Registers this rank's part, zeros, of a parameter of `shape` of which dimension `dim` is split: the
  /// whole parameter where one range is all of it.
  at::Tensor register_part(const std::string& name, std::vector<std::int64_t> shape, int dim,
                           std::vector<parallel::Range> ranges);
  /// Says that a parameter, whole on every rank of a group, has only a part of its gradient on each.
  void has_partial_gradient(const std::string& name, const at::Tensor& parameter,
                            const parallel::TensorGroup& group);

 private:
  parallel::Placements placements_;
};

/// Called with parameters right before a forward pass reads them: they may still be on their way from other
/// replicas (parallel::AdamW::wait_for).
using Gate = std::function<void(const std::vector<at::Tensor>&)>;

/// The placements of all parameters of a model by their full names; those of parameters that every rank has
/// alike are not listed.
parallel::Placements placements_of(const torch::nn::Module& model);

}  // namespace terramill::model
