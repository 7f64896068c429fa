#pragma once

#include <terramill/parallel/gradient_buffer.hpp>

#include <cstdint>
#include <vector>

namespace terramill::parallel {

struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0.05;  ///< of groups that decay
};

/// AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2; PyTorch's
/// form):
///
///     p *= 1 - lr·wd;  m = b1 m + (1-b1) g;  v = b2 v + (1-b2) g²;
///     p -= lr/(1-b1^t) · m / (sqrt(v)/sqrt(1-b2^t) + eps)
///
/// with t counted per parameter. A parameter that the global batch did not use is left alone: no decay, no
/// step. Every element is computed by itself, so the result depends on neither ranks nor threads. Moments
/// have the type of the gradient buffer.
class AdamW {
 public:
  /// `gradients` must outlive the optimiser.
  AdamW(const GradientBuffer& gradients, AdamWOptions options);

  /// One update with the gradients of the last finished step; `lr` is multiplied by each group's lr_scale.
  void step(double lr) { step(lr, options_.weight_decay); }
  /// The same with this step's weight decay, where it has a schedule.
  void step(double lr, double weight_decay);

  /// The state by name: "adam.m.<parameter>", "adam.v.<parameter>" in the parameter's shape and
  /// "adam.step.<parameter>", int64 of shape [1]. The tensors are the state itself: reading into them
  /// restores it.
  std::vector<NamedTensor> state() const;

 private:
  struct Moments {
    at::Tensor m, v, step;
  };
  const GradientBuffer& gradients_;
  AdamWOptions options_;
  std::vector<Moments> moments_;
};

}  // namespace terramill::parallel
