#include "nccl.hpp"

#include <terramill/core/error.hpp>

#include <exception>

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

c10::intrusive_ptr<c10d::Backend> make_nccl_backend(const c10::intrusive_ptr<c10d::Store>& store, int rank,
                                                    int size, c10::Device device) {
  if (gpu_count() == 0) {
    throw LibraryError("no GPU answers",
                       {"start NCCL", device.str(), "run on a node with GPUs, or with --train.device cpu"});
  }
  try {
    auto backend = c10::make_intrusive<c10d::ProcessGroupNCCL>(store, rank, size);
    backend->setBoundDeviceId(device);
    return backend;
  } catch (const std::exception& error) {
    throw LibraryError(error.what(), {"start NCCL", device.str(), ""});
  }
}

}  // namespace terramill::parallel
