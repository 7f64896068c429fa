#include "nccl.hpp"

#include <terramill/core/error.hpp>
#include <terramill/parallel/device.hpp>

#include <string>

#include <ATen/Context.h>

namespace terramill::parallel {

bool cuda_available() { return gpu_count() > 0; }

int cuda_device_count() { return gpu_count(); }

c10::Device select_device(const std::string& name, const mpi::Communicator& comm) {
  if (name != "cpu" && name != "cuda" && name != "auto") {
    throw UsageError("\"" + name + "\" is no device",
                     {"choose the device", "train.device", "give cpu, cuda or auto"});
  }
  const int gpus = name == "cpu" ? 0 : gpu_count();
  const int fewest = comm.min(gpus);
  if (name == "cuda" && fewest == 0) {
    throw UsageError(
        built_with_cuda() ? "a rank sees no GPU" : "this build has no CUDA parts",
        {"choose the device", "train.device", "run on nodes with GPUs, or with --train.device cpu"});
  }
  const int local = comm.split_node().rank();
  if (fewest == 0) return c10::Device(c10::kCPU);
  const int index = local % gpus;
  use_gpu(index);
  // cuDNN would round what float32 convolutions multiply to 10 bits.
  at::globalContext().setAllowTF32CuDNN(false);
  return c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(index));
}

std::string device_name(c10::Device device) { return device.is_cuda() ? gpu_name(device.index()) : "cpu"; }

}  // namespace terramill::parallel
