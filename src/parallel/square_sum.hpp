#pragma once

#include <ATen/core/Tensor.h>

namespace terramill::parallel {

/// Sum of squares of a contiguous fp32 or fp64 tensor, in fp64; on the CPU in an order that depends on its
/// size alone.
double square_sum(const at::Tensor& values);

}  // namespace terramill::parallel
