#pragma once

#include <terramill/parallel/gradient_buffer.hpp>

#include <cstdint>

namespace terramill::parallel {

/// What a rank holds for the gradients of a global batch, in bytes.
struct GradientMemory {
  std::int64_t buffers = 0;   ///< flat buffers, all that a GradientBuffer allocates
  std::int64_t received = 0;  ///< what collectives receive into besides, at most
};

/// Of `buffer`, which was made with `options`, for `micro_batches` >= dp. kFast has one flat buffer per
/// group, which is reduced in place; kExact one per node of the tree over micro-batches that is open at the
/// same time, at most log2(micro-batches) + 2.
GradientMemory gradient_memory(const GradientBuffer& buffer, const ReductionOptions& options,
                               int micro_batches);

}  // namespace terramill::parallel
