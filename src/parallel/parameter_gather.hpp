#pragma once

#include "gradient_layout.hpp"

#include <terramill/parallel/gradient_buffer.hpp>

#include <vector>

#include <torch/csrc/distributed/c10d/Work.hpp>

namespace terramill::parallel {

/// Parameters that lie in the gradients' layout, so that each replica can update its share of every bucket
/// and the others receive it while they go on: the second half of ZeRO-1.
class ParameterGather {
 public:
  /// Moves the parameters into flat buffers; they keep their identity and values. `gradients` must outlive
  /// this.
  explicit ParameterGather(const GradientBuffer& gradients);

  /// Sends this replica's shares and takes those of the others, the buckets that a forward pass needs first
  /// going first. Collective.
  void launch();
  /// Until parameter i is whole.
  void wait(std::size_t i);

  /// Seconds since the last launch in which this thread waited.
  double waited() const noexcept { return waited_; }

 private:
  const GradientBuffer& gradients_;
  std::vector<at::Tensor> flats_;                      ///< by group
  std::vector<c10::intrusive_ptr<c10d::Work>> works_;  ///< by bucket; null: done
  double waited_ = 0;
};

}  // namespace terramill::parallel
