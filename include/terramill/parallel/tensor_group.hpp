#pragma once

#include <terramill/parallel/placement.hpp>

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

namespace c10d {
class ProcessGroup;
}

namespace terramill::parallel {

/// The ranks that share the layers of one replica (Shoeybi et al., "Megatron-LM: Training multi-billion
/// parameter language models using model parallelism", 2019). A value: copies are the same group.
class TensorGroup {
 public:
  /// What this rank gave to collectives of the group since its beginning.
  struct Traffic {
    std::int64_t calls = 0, bytes = 0;
    double seconds = 0;  ///< that the host waited
  };

  /// One rank, which has everything; nothing is communicated.
  TensorGroup() = default;
  /// Over `group`; `rank` and `size` are its own.
  TensorGroup(const c10::intrusive_ptr<c10d::ProcessGroup>& group, int rank, int size);

  int rank() const noexcept { return rank_; }
  int size() const noexcept { return size_; }
  Traffic traffic() const;
  /// This rank's share of `count` things: [count r / size, count (r + 1) / size).
  Range part(std::int64_t count) const noexcept;
  /// part() of `count` units of `unit` elements each, in each of `blocks` equal blocks.
  std::vector<Range> parts(std::int64_t count, std::int64_t unit, int blocks = 1) const;

  // Outside of any graph: no gradient passes. Collective.

  /// The sum over the ranks, in `values` itself, which must be contiguous.
  void sum_in_place(at::Tensor values) const;
  /// The greatest over the ranks, element by element, in `values` itself.
  void max_in_place(at::Tensor values) const;
  /// Every rank's [n, ...], one after the other.
  at::Tensor gather(const at::Tensor& rows) const;
  /// This rank's [n / size, ...] of the sum of everybody's [n, ...].
  at::Tensor reduce_scatter(const at::Tensor& rows) const;

  /// Keeps the group for a backward pass, and gives it back.
  c10::IValue save() const;
  static TensorGroup from(const c10::IValue& saved);

 private:
  struct State;
  c10::intrusive_ptr<torch::CustomClassHolder> state_;  ///< null: one rank
  int rank_ = 0, size_ = 1;
};

// Differentiable. With one rank each gives its argument back. Collective, forward and backward.

/// Into a region where ranks compute different parts of one result: the same value; its gradient is the sum
/// over the ranks ("f" of Megatron-LM).
at::Tensor enter(const at::Tensor& values, const TensorGroup& group);
/// Out of such a region: the sum of the ranks' parts; each part has the whole gradient ("g" of Megatron-LM).
at::Tensor leave(const at::Tensor& part, const TensorGroup& group);
/// The ranks' columns [N, own] side by side, [N, total]; `ranges` is every column's place on this rank, in
/// one range. The gradient is the own columns'.
at::Tensor join_columns(const at::Tensor& own, const Range& range, std::int64_t total,
                        const TensorGroup& group);

/// Rows [R, ...] spread over the group in equal parts, the last ones zeros where R is no multiple of its
/// size: sequence parallelism (Korthikanti et al., "Reducing activation recomputation in large transformer
/// models", 2022).
class RowRegion {
 public:
  RowRegion(TensorGroup group, std::int64_t rows);

  std::int64_t rows() const noexcept { return rows_; }
  const TensorGroup& group() const noexcept { return group_; }

  /// This rank's rows of values that all ranks have; the gradient is gathered.
  at::Tensor split(const at::Tensor& rows) const;
  /// All rows, for a region where ranks compute different parts; the gradient is summed and scattered.
  at::Tensor gather(const at::Tensor& own) const;
  /// This rank's rows of the sum of the ranks' parts; the gradient is gathered.
  at::Tensor reduce_scatter(const at::Tensor& part) const;
  /// Rows `first`, `first + stride`, … on every rank, for what all ranks compute alike; the gradient is that
  /// of the own rows.
  at::Tensor pick(const at::Tensor& own, std::int64_t first, std::int64_t stride) const;

 private:
  TensorGroup group_;
  std::int64_t rows_, own_;  ///< own_: rows of each rank
};

}  // namespace terramill::parallel
