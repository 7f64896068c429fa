#pragma once

#include <string>

#include <c10/core/Device.h>
#include <c10/util/intrusive_ptr.h>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

// The CUDA parts, in a target of their own: nccl.cpp where a CUDA toolkit was found, no_cuda.cpp elsewhere.

namespace terramill::parallel {

/// Whether this build has them at all.
bool built_with_cuda();

/// GPUs that this process sees; 0 without a driver.
int gpu_count();

/// Makes GPU `index` the current one. LibraryError when it cannot be.
void use_gpu(int index);

/// What the driver calls GPU `index`. LibraryError when it does not answer.
std::string gpu_name(int index);

/// LibTorch's NCCL backend for tensors on GPU `device`. LibraryError without CUDA parts or without a GPU.
c10::intrusive_ptr<c10d::Backend> make_nccl_backend(const c10::intrusive_ptr<c10d::Store>& store, int rank,
                                                    int size, c10::Device device);

}  // namespace terramill::parallel
