#include "nccl.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/log.hpp>

#include <cstring>
#include <exception>
#include <utility>

#include <ATen/cuda/CUDAContext.h>
#include <c10/cuda/CUDAFunctions.h>
#include <cuda_runtime_api.h>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

namespace terramill::parallel {

bool built_with_cuda() { return true; }

int gpu_count() { return c10::cuda::device_count(); }

void use_gpu(int index) {
  try {
    c10::cuda::set_device(static_cast<c10::DeviceIndex>(index));
  } catch (const std::exception& error) {
    throw LibraryError(error.what(), {"choose a GPU", "GPU " + std::to_string(index), ""});
  }
}

std::string gpu_name(int index) {
  cudaDeviceProp properties;
  const cudaError_t status = cudaGetDeviceProperties(&properties, index);
  if (status != cudaSuccess) {
    throw LibraryError(cudaGetErrorString(status),
                       {"ask for a GPU's name", "GPU " + std::to_string(index), ""});
  }
  return properties.name;
}

void require_gpu(c10::Device device) {
  if (gpu_count() > 0) return;
  throw LibraryError("no GPU answers",
                     {"start NCCL", device.str(), "run on a node with GPUs, or with --train.device cpu"});
}

std::array<std::uint64_t, 2> gpu_identity(int index) {
  std::array<std::uint64_t, 2> identity{};
  const cudaUUID_t& uuid = at::cuda::getDeviceProperties(static_cast<c10::DeviceIndex>(index))->uuid;
  static_assert(sizeof identity == sizeof uuid);
  std::memcpy(identity.data(), &uuid, sizeof uuid);
  return identity;
}

namespace {

/// c10d aborts what is under way when a backend is destroyed that was not shut down.
class NcclBackend : public c10d::ProcessGroupNCCL {
 public:
  using ProcessGroupNCCL::ProcessGroupNCCL;
  ~NcclBackend() override {
    if (std::uncaught_exceptions() > 0) return;  // peers may be gone: do not wait for them
    try {
      shutdown();
    } catch (const std::exception& error) {
      log::warn("NCCL did not shut down: {}", error.what());
    }
  }
};

}  // namespace

c10::intrusive_ptr<c10d::Backend> make_nccl_backend(const c10::intrusive_ptr<c10d::Store>& store,
                                                    const NcclGroup& group, c10::Device device) {
  try {
    auto options = c10d::ProcessGroupNCCL::Options::create(group.high_priority);
    options->group_name = group.name;
    options->group_desc = group.axis;
    options->global_ranks_in_group = group.world_ranks;
    if (group.timeout.count() > 0) options->timeout = group.timeout;
    auto backend = c10::make_intrusive<NcclBackend>(store, group.rank, group.size, std::move(options));
    backend->setBoundDeviceId(device);
    // Connecting now tells of a fault before the first step.
    if (group.size > 1) backend->eagerConnectSingleDevice(device);
    return backend;
  } catch (const std::exception& error) {
    throw LibraryError(error.what(), {"start NCCL", device.str() + ", group " + group.name,
                                      "NCCL_DEBUG=INFO in the environment tells more"});
  }
}

}  // namespace terramill::parallel
