#pragma once

#include "held_out.hpp"

#include <terramill/train/task.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace terramill::train {

/// How well frozen features tell classes apart while a model learns: kNN from training tiles to tiles of the
/// validation split, with centred windows. The classes are the corpus's labels, or the dominant land cover
/// where it has none. Micro-batches are cut by position, so the number does not depend on the layout.
class OnlineKnn {
 public:
  /// Draws at most train.knn_tiles tiles of each split. Collective.
  OnlineKnn(const parallel::Mesh& mesh, const PretrainConfig& config, Task& task);

  /// Whether both splits have tiles with a class.
  bool possible() const noexcept { return possible_; }
  /// "label" or "land cover".
  const std::string& target() const noexcept { return target_; }
  /// Share of validation tiles whose class gets most votes (train::online_knn). Collective. Precondition:
  /// possible().
  double run();

 private:
  /// Features [n, d] and classes [n] of all tiles, on the CPU, equal on every rank.
  struct Known {
    at::Tensor features, classes;
  };
  Known compute(const HeldOut& held);

  const parallel::Mesh& mesh_;
  Task& task_;
  loader::Loader loader_;
  HeldOut neighbours_, queries_;
  double max_bad_rate_;
  std::vector<std::int64_t> classes_;  ///< by index row; -1 without one
  std::string target_;
  bool possible_ = false;
};

}  // namespace terramill::train
