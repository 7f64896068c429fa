#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

namespace terramill::model {

/// While it lives, this thread computes matrix products, convolutions and attention on `device` in bfloat16
/// (`on`), or in their operands' type: LibTorch's autocast. Weights stay float32 and are rounded at each use,
/// so that gradients of several uses add up in float32. Float64 operands are left alone. Scopes nest;
/// backward passes belong outside.
class Bfloat16Scope {
 public:
  Bfloat16Scope(c10::DeviceType device, bool on);
  ~Bfloat16Scope();
  Bfloat16Scope(const Bfloat16Scope&) = delete;
  Bfloat16Scope& operator=(const Bfloat16Scope&) = delete;

  /// Whether this thread is in a scope that is on.
  static bool active(c10::DeviceType device);

 private:
  c10::DeviceType device_;
  bool enabled_, cached_;
  at::ScalarType type_;
};

/// `values` in float32 where they are bfloat16, else as they are: for sums, norms, softmax and losses.
at::Tensor widened(const at::Tensor& values);

}  // namespace terramill::model
