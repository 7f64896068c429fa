#pragma once

#include <terramill/parallel/gradient_buffer.hpp>

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace terramill::parallel {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0.05;  ///< of groups that decay
};

/// What of a tensor of the optimiser's state this replica keeps: elements [begin, begin + values.numel()) of
/// parameter `parameter`'s, in C order.
struct MomentRange {
  std::size_t parameter;
  std::int64_t begin;
  at::Tensor m, v;  ///< flat
};

class ParameterGather;

/// AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2; PyTorch's
/// form):
///
///     p *= 1 - lr·wd;  m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g²;
///     p -= lr/(1-b1^t) · m / (sqrt(v)/sqrt(1-b2^t) + eps)
///
/// with t counted per parameter. A parameter that the global batch did not use is left alone: no decay, no
/// step. Every element is computed by itself, so the result depends on neither ranks nor threads. Moments
/// have the type of the gradient buffer.
///
/// With a sharded gradient buffer each replica updates what it owns, keeps moments of that alone, and the
/// parameters are gathered from the replicas while the caller goes on: wait_for() before one is read.
class AdamW {
 public:
  /// `gradients` must outlive the optimiser. Sharded: the parameters' storage is replaced.
  AdamW(const GradientBuffer& gradients, AdamWOptions options);
  ~AdamW();
  AdamW(const AdamW&) = delete;
  AdamW& operator=(const AdamW&) = delete;

  /// One update with the gradients of the last finished step; `lr` is multiplied by each group's lr_scale.
  /// Collective where sharded.
  void step(double lr) { step(lr, options_.weight_decay); }
  /// The same with this step's weight decay, where it has a schedule.
  void step(double lr, double weight_decay);

  /// Until this parameter, of which the last step updated shares elsewhere, is whole here. At once for any
  /// other tensor.
  void wait_for(const at::Tensor& parameter);
  void wait_for_all();
  /// Seconds since the last step in which wait_for() waited.
  double exposed_seconds() const;

  /// The state by name: "adam.m.<parameter>", "adam.v.<parameter>" in the parameter's shape and
  /// "adam.step.<parameter>", int64 of shape [1]. The tensors are the state itself: reading into them
  /// restores it. UsageError where other replicas own parts of it.
  std::vector<NamedTensor> state() const;
  /// The moments kept here, by parameter.
  const std::vector<MomentRange>& moments() const noexcept { return moments_; }
  /// Updates of parameter i, int64 of shape [1].
  const at::Tensor& steps(std::size_t i) const { return steps_.at(i); }
  /// Bytes of the moments kept here.
  std::int64_t bytes() const;

 private:
  const GradientBuffer& gradients_;
  AdamWOptions options_;
  std::vector<MomentRange> moments_;
  std::vector<at::Tensor> steps_;
  std::unique_ptr<ParameterGather> gather_;                 ///< null: not sharded
  std::unordered_map<const void*, std::size_t> number_of_;  ///< by the parameter's identity
};

}  // namespace terramill::parallel
