#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

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

/// LibraryError without CUDA parts, or where no GPU answers.
void require_gpu(c10::Device device);

/// What no other GPU, or part of one, has: the UUID of GPU `index`. LibraryError without CUDA parts.
std::array<std::uint64_t, 2> gpu_identity(int index);

/// One of NCCL's groups.
struct NcclGroup {
  int rank, size;
  std::string name;  ///< of this group alone, for all its ranks
  std::string axis;
  std::vector<std::uint64_t> world_ranks;  ///< of its ranks, in their order
  bool high_priority;
  std::chrono::seconds timeout;  ///< 0: c10d's
};

/// LibTorch's NCCL backend for tensors on GPU `device`, connected. Collective over the group. LibraryError
/// without CUDA parts or where NCCL fails.
c10::intrusive_ptr<c10d::Backend> make_nccl_backend(const c10::intrusive_ptr<c10d::Store>& store,
                                                    const NcclGroup& group, c10::Device device);

}  // namespace terramill::parallel
