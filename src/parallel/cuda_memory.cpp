#include <terramill/core/error.hpp>
#include <terramill/parallel/device_memory.hpp>

#include <deque>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <c10/cuda/CUDAEvent.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <cuda_runtime_api.h>

namespace terramill::parallel {

namespace {

constexpr std::align_val_t kAlignment{64};

void check(cudaError_t status, const char* attempted, c10::Device device) {
  if (status != cudaSuccess) throw LibraryError(cudaGetErrorString(status), {attempted, device.str(), ""});
}

/// Copies on their way, and when they are done.
struct Copies {
  std::vector<at::Tensor> tensors;
  c10::cuda::CUDAEvent done;
};

}  // namespace

std::int64_t cuda_memory(c10::Device device) {
  const c10::cuda::CUDAGuard guard(device);
  std::size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "ask for the memory", device);
  return static_cast<std::int64_t>(total);
}

std::byte* allocate_for_copies(c10::Device device, std::size_t bytes) {
  if (!device.is_cuda()) return static_cast<std::byte*>(::operator new(bytes, kAlignment));
  const c10::cuda::CUDAGuard guard(device);
  void* memory = nullptr;
  check(cudaHostAlloc(&memory, bytes, cudaHostAllocDefault), "allocate page-locked memory", device);
  return static_cast<std::byte*>(memory);
}

void release_for_copies(c10::Device device, std::byte* memory) noexcept {
  if (!device.is_cuda()) return ::operator delete(memory, kAlignment);
  // What could fail here is an earlier kernel, which the next checked call reports.
  static_cast<void>(cudaFreeHost(memory));
}

struct DeviceCopies::State {
  explicit State(c10::Device to) : device(to) {}
  c10::Device device;
  std::optional<c10::cuda::CUDAStream> stream;
  std::deque<Copies> begun;
};

DeviceCopies::DeviceCopies(c10::Device device) : state_(std::make_unique<State>(device)) {
  if (device.is_cuda()) {
    state_->stream = c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device.index());
  }
}

DeviceCopies::~DeviceCopies() = default;

void DeviceCopies::begin(const std::vector<at::Tensor>& host) {
  Copies copies;
  if (!state_->stream) {
    copies.tensors = host;
  } else {
    const at::NoGradGuard no_grad;
    const c10::cuda::CUDAStreamGuard guard(*state_->stream);
    for (const at::Tensor& tensor : host) {
      copies.tensors.push_back(tensor.to(tensor.options().device(state_->device), /*non_blocking=*/true));
    }
    copies.done.record(*state_->stream);
  }
  state_->begun.push_back(std::move(copies));
}

std::size_t DeviceCopies::pending() const noexcept { return state_->begun.size(); }

std::vector<at::Tensor> DeviceCopies::take() {
  Copies copies = std::move(state_->begun.front());
  state_->begun.pop_front();
  if (state_->stream) {
    const c10::cuda::CUDAStream current = c10::cuda::getCurrentCUDAStream(state_->device.index());
    copies.done.block(current);
    // The allocator gave the memory to the copying stream; it must not reuse it while the other computes.
    for (const at::Tensor& tensor : copies.tensors) tensor.record_stream(current);
  }
  return std::move(copies.tensors);
}

}  // namespace terramill::parallel
