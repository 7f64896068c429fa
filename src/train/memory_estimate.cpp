#include <terramill/core/error.hpp>
#include <terramill/core/host_memory.hpp>
#include <terramill/core/log.hpp>
#include <terramill/parallel/device.hpp>
#include <terramill/parallel/device_memory.hpp>
#include <terramill/parallel/gradient_memory.hpp>
#include <terramill/train/memory_estimate.hpp>

#include <algorithm>
#include <initializer_list>
#include <set>
#include <utility>

#include <ATen/core/Tensor.h>

namespace terramill::train {

namespace {

/// What CUDA's context, its libraries' workspaces and NCCL's buffers take of a GPU.
constexpr std::int64_t kGpuProgram = std::int64_t{1} << 30;
constexpr const char* kAdvice =
    "lower train.micro_batch_size, set train.activation_checkpointing, train.zero or train.tp, run fewer "
    "ranks "
    "per node, or go on with train.ignore_memory_estimate";

struct Available {
  std::int64_t bytes = 0;
  std::string of;
};

Available available_to_rank(const mpi::Communicator& world, c10::Device device, std::int64_t resident) {
  const int ranks = world.split_node().size();
  if (device.is_cuda()) {
    const int sharing = (ranks + parallel::cuda_device_count() - 1) / parallel::cuda_device_count();
    return {parallel::cuda_memory(device) / sharing, "the GPU's memory"};
  }
  const HostMemory host = host_memory();
  const std::int64_t share = std::min(host.available / ranks + resident, host.limit / ranks);
  return {share, "a share of 1/" + std::to_string(ranks) + " of the node's memory (" + host.limited_by + " " +
                     memory_text(host.limit) + ")"};
}

}  // namespace

std::int64_t MemoryEstimate::total(bool gpu) const {
  return parameters + others + gradients + moments + communication + activations + program +
         (gpu ? 0 : input + snapshot);
}

std::string MemoryEstimate::text(bool gpu) const {
  std::string text = memory_text(total(gpu));
  const char* separator = ": ";
  for (const auto& [name, bytes] :
       std::initializer_list<std::pair<const char*, std::int64_t>>{{"parameters", parameters},
                                                                   {"teacher and centres", others},
                                                                   {"gradients", gradients},
                                                                   {"moments", moments},
                                                                   {"communication", communication},
                                                                   {"activations", activations},
                                                                   {"input", gpu ? 0 : input},
                                                                   {"checkpoint's copy", gpu ? 0 : snapshot},
                                                                   {"program", program}}) {
    if (bytes == 0) continue;
    text += std::exchange(separator, ", ") + std::string(name) + " " + memory_text(bytes);
  }
  return text;
}

MemoryEstimate estimate_memory(const parallel::GradientBuffer& gradients, const parallel::AdamW& optimiser,
                               const std::vector<parallel::NamedTensor>& state,
                               const parallel::ReductionOptions& options, int micro_batches) {
  MemoryEstimate estimate;
  // Parameters may share a buffer (ZeRO-1), whose padding counts.
  std::set<const void*> seen;
  const auto storage_of = [&](const at::Tensor& tensor) {
    const bool counted = !seen.insert(tensor.storage().unsafeGetStorageImpl()).second;
    return counted ? 0 : static_cast<std::int64_t>(tensor.storage().nbytes());
  };
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    estimate.parameters += storage_of(gradients.parameter(i).second);
  }
  for (const auto& [name, tensor] : state) estimate.others += storage_of(tensor);
  estimate.moments = optimiser.bytes() + 8 * static_cast<std::int64_t>(gradients.size());
  const parallel::GradientMemory memory = parallel::gradient_memory(gradients, options, micro_batches);
  estimate.gradients = memory.buffers;
  estimate.communication = memory.received;
  return estimate;
}

void require_memory(const mpi::Communicator& world, c10::Device device, MemoryEstimate mine, bool ignore) {
  const bool gpu = device.is_cuda();
  const std::int64_t resident = resident_bytes();
  // The model and the optimiser's state are there already; the rest of what is resident is the program.
  mine.program =
      gpu ? kGpuProgram : std::max<std::int64_t>(resident - mine.parameters - mine.others - mine.moments, 0);
  const Available available = available_to_rank(world, device, resident);
  log::info("memory of a rank: {}; there is {}, {}", mine.text(gpu), memory_text(available.bytes),
            available.of);
  const std::int64_t excess = world.max(mine.total(gpu) - available.bytes);
  if (excess <= 0) return;
  const std::string message =
      "a rank needs about " + memory_text(excess) + " of memory more than it has: " + mine.text(gpu) +
      " on this one, where there is " + memory_text(available.bytes) + ", " + available.of;
  if (!ignore) throw UsageError(message, {"estimate the memory", "", kAdvice});
  log::warn("{}", message);
}

}  // namespace terramill::train
