#pragma once

#include <ATen/core/Tensor.h>

namespace terramill::parallel {

/// Sums of squares of a contiguous fp32 or fp64 tensor, one per kBlock elements (gradient_layout.hpp), in
/// fp64; on the CPU in an order that depends on nothing but the block's size. `sums` has room for all.
void block_square_sums(const at::Tensor& values, double* sums);

}  // namespace terramill::parallel
