// Compiled with the CUDA parts where a toolkit is, and without them elsewhere.

#include "checks.hpp"

#ifdef USE_C10D_NCCL
#include <ATen/cuda/CUDAContext.h>
#include <cuda_runtime_api.h>
#include <torch/csrc/distributed/c10d/NCCLUtils.hpp>
#include <torch/csrc/distributed/c10d/Utils.hpp>
#endif

namespace terramill::cli {

#ifdef USE_C10D_NCCL

namespace {

/// CUDA's "13000" as "13.0".
std::string version_text(int number) {
  return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10);
}

/// Pairs of GPUs of which one can read the other's memory; a pair that cannot tell counts as none.
int peer_pairs(int devices) {
  int pairs = 0;
  for (int a = 0; a < devices; ++a) {
    for (int b = 0; b < devices; ++b) {
      int can = 0;
      if (a != b && cudaDeviceCanAccessPeer(&can, a, b) == cudaSuccess) pairs += can;
    }
  }
  return pairs;
}

/// What c10d's flight recorder keeps by the environment as it is (names and number of LibTorch 2.11).
int recorded_collectives() {
  return c10d::getCvarInt({"TORCH_FR_BUFFER_SIZE", "TORCH_NCCL_TRACE_BUFFER_SIZE"}, 2000);
}

}  // namespace

Finding check_cuda() {
  int runtime = 0, driver = 0, devices = 0;
  // Without a driver these calls fail; that is an answer too.
  if (cudaRuntimeGetVersion(&runtime) != cudaSuccess) runtime = CUDART_VERSION;
  if (cudaDriverGetVersion(&driver) != cudaSuccess) driver = 0;
  const cudaError_t status = cudaGetDeviceCount(&devices);
  if (status != cudaSuccess) devices = 0;
  const std::string nccl = c10d::getNcclVersion();

  Finding finding{.name = "CUDA", .value = "built with " + version_text(runtime) + ", NCCL " + nccl};
  finding.facts = {{"built", true},
                   {"runtime", version_text(runtime)},
                   {"driver", driver == 0 ? Json() : Json(version_text(driver))},
                   {"nccl", nccl},
                   {"flight_recorder", recorded_collectives()},
                   {"devices", Json::array()}};
  if (devices == 0) {
    finding.verdict = Verdict::kWarning;
    finding.value += ", no GPU answers";
    finding.advice =
        std::string(driver == 0 ? "there is no NVIDIA driver"
                                : "CUDA says \"" + std::string(cudaGetErrorString(status)) + "\"") +
        ": training runs on CPUs; in a batch job, ask for GPUs (--gpus-per-node)";
  }
  for (int device = 0; device < devices; ++device) {
    const cudaDeviceProp* properties = at::cuda::getDeviceProperties(device);
    const double gib = static_cast<double>(properties->totalGlobalMem) / (1 << 30);
    finding.value += (device == 0 ? ", " : " + ") + std::string(properties->name) + " (" +
                     std::to_string(static_cast<int>(gib)) + " GiB)";
    finding.facts["devices"].push_back(
        {{"name", properties->name},
         {"memory_bytes", properties->totalGlobalMem},
         {"capability", std::to_string(properties->major) + "." + std::to_string(properties->minor)}});
  }
  if (devices > 1) {
    const int pairs = peer_pairs(devices), all = devices * (devices - 1);
    finding.facts["peer_pairs"] = pairs;
    finding.value += pairs == all ? ", peer access between all"
                     : pairs == 0 ? ", no peer access"
                                  : ", peer access between some";
  }
  return finding;
}

#else

Finding check_cuda() {
  Finding finding{.name = "CUDA", .value = "built without it: for CPUs alone"};
  finding.facts = {{"built", false}, {"nccl", nullptr}, {"devices", Json::array()}};
  return finding;
}

#endif

}  // namespace terramill::cli
