#pragma once

#include <terramill/parallel/mesh.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

namespace terramill::parallel {

/// A tensor under its official name.
using NamedTensor = std::pair<std::string, at::Tensor>;

/// How the ranks of a tensor-parallel group have a parameter and its gradient.
enum class Sharing {
  kWhole,    ///< both whole on each
  kSplit,    ///< each has a part of both
  kPartial,  ///< the parameter whole on each; the gradient is the sum of theirs
};

/// Parameters that the optimiser treats alike. The order of groups, and of parameters in them, is part of the
/// results.
struct ParameterGroup {
  std::vector<NamedTensor> parameters;
  bool decay = true;      ///< whether weight decay applies
  double lr_scale = 1.0;  ///< factor on the learning rate
  Sharing sharing = Sharing::kWhole;
};

/// The same parameters in groups of one sharing each, in order; empty groups are left out.
std::vector<ParameterGroup> by_sharing(const std::vector<ParameterGroup>& groups,
                                       const Placements& placements);

/// How the gradients of a global batch's micro-batches are summed.
enum class Reduction {
  kExact,  ///< in the fixed binary tree over their index: the same bits for any number of replicas
  kFast,   ///< in order within a replica, then as the library chooses
};

/// "exact" or "fast"; UsageError otherwise.
Reduction parse_reduction(const std::string& name);

/// How gradients are summed over replicas.
struct ReductionOptions {
  Reduction reduction = Reduction::kExact;
  /// ZeRO-1 (Rajbhandari et al., "ZeRO: Memory optimizations toward training trillion parameter models",
  /// 2020): each replica ends with the mean of 1/dp of every bucket only, which is its to update.
  bool sharded = false;
  std::int64_t bucket_bytes = std::int64_t{25} << 20;  ///< at most, for large buckets
  /// Type in which `fast` sends gradients to other replicas: kBFloat16 halves the bytes and rounds each sum.
  at::ScalarType wire = at::kFloat;
};

/// Elements [begin, end), in C order, of parameter number `parameter`.
struct OwnedRange {
  std::size_t parameter;
  std::int64_t begin, end;
};

struct GradientLayout;

/// Sums the gradients of a global batch over its micro-batches and replicas: design §8.
///
/// Each group has one flat buffer on the mesh's device, fp32, or fp64 where its parameters are; its
/// parameters lie in it in order, each at a multiple of 1,024 elements, and it is reduced in buckets, each as
/// soon as the last micro-batch's backward has filled it, those of the model's end first.
///
/// `exact`: node (l, i) of the tree covers micro-batches [i·2^l, min((i+1)·2^l, M)) and is the sum of its
/// children; an absent right child adds nothing. Replicas fold their own micro-batches as far as the tree
/// allows, exchange what is left so that each owns 1/dp of every bucket, add that in tree order, and gather
/// the result, unless it is to stay sharded. Groups of kPartial are then summed over the mesh's
/// tensor-parallel ranks.
///
/// One global batch:
///
///     buffer.begin_step(M);
///     for (int m = range.begin; m < range.end; ++m) {
///       buffer.begin_micro_batch(m);
///       loss(m).backward();       // exactly one backward pass
///       buffer.end_micro_batch();
///     }
///     buffer.finish_step();       // gradient(i) is now the mean over the M micro-batches, on every rank
class GradientBuffer {
 public:
  /// Takes charge of the parameters' gradients: `.grad()` is empty outside a backward pass. `bucket_bytes`
  /// bounds a bucket. The mesh must outlive the buffer. UsageError for no parameter, one that appears twice
  /// or needs no gradient, a group of mixed types, or a narrow wire under `exact`. Not collective.
  GradientBuffer(const Mesh& mesh, std::vector<ParameterGroup> groups, ReductionOptions options);
  GradientBuffer(const Mesh& mesh, std::vector<ParameterGroup> groups, Reduction reduction,
                 std::int64_t bucket_bytes = std::int64_t{25} << 20);
  ~GradientBuffer();
  GradientBuffer(const GradientBuffer&) = delete;
  GradientBuffer& operator=(const GradientBuffer&) = delete;

  /// Starts a global batch of `micro_batches`, forgetting a step that was begun and not finished. UsageError
  /// where dp exceeds it.
  void begin_step(int micro_batches);
  /// `index` within the global batch; a replica's come in ascending order. UsageError otherwise.
  void begin_micro_batch(int index);
  /// Collective at a replica's last micro-batch, as is its backward pass.
  void end_micro_batch();
  /// Completes the sums and scales them by 1/M. Throws what went wrong in a collective. UsageError when a
  /// micro-batch is missing.
  void finish_step();

  const std::vector<ParameterGroup>& groups() const;
  /// Parameters over all groups, in order; index i of the functions below counts in it.
  std::size_t size() const;
  const NamedTensor& parameter(std::size_t i) const;
  /// The group of parameter i.
  std::size_t group_of(std::size_t i) const;
  /// The mean gradient of parameter i after `finish_step`, in the parameter's shape and the buffer's type: a
  /// view that the next step overwrites. UsageError where other replicas own parts of it.
  at::Tensor gradient(std::size_t i) const;
  /// What of the parameters this replica is to update: all of each, or, sharded, its shares, by parameter.
  const std::vector<OwnedRange>& owned() const;
  /// The mean gradient of a range that is owned, flat.
  at::Tensor gradient(const OwnedRange& range) const;
  bool sharded() const;
  std::int64_t bucket_bytes() const;
  const Mesh& mesh() const;
  const GradientLayout& layout() const;
  /// Whether any micro-batch of the last global batch, on any replica, gave parameter i a gradient.
  bool used(std::size_t i) const;

  /// Global L2 norm of the mean gradients of used parameters, over both axes of the mesh, accumulated in fp64
  /// in an order that depends on the parameters and on tp alone. The same on every rank. Collective when it
  /// is the first question about norms since finish_step or a scaling.
  double norm() const;
  /// Multiplies all gradients, for clipping.
  void scale(double factor);
  /// L2 norm of parameter i's mean gradient, as `norm` accumulates it; collective as it.
  double norm(std::size_t i) const;
  /// Multiplies parameter i's gradient.
  void scale(std::size_t i, double factor);
  /// Treats parameter i as unused in this step: the optimiser leaves it alone.
  void leave_out(std::size_t i);

  /// Seconds of the last step in which this rank waited for collectives, host time.
  double exposed_seconds() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace terramill::parallel
