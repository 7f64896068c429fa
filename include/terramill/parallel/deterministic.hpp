#pragma once

#include <c10/core/Device.h>

namespace terramill::parallel {

/// Lets LibTorch use only operations on GPUs that give the same bits every time (setDeterministicAlgorithms,
/// cuDNN without benchmarks). An operation that has no such form then throws. On the CPU, whose operations
/// all do, nothing changes.
///
/// UsageError on a GPU where the environment's CUBLAS_WORKSPACE_CONFIG is neither ":4096:8" nor ":16:8",
/// without which cuBLAS does not repeat its bits.
void require_determinism(c10::Device device);

}  // namespace terramill::parallel
