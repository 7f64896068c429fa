#include <terramill/core/error.hpp>
#include <terramill/parallel/device_memory.hpp>

#include <deque>
#include <new>
#include <utility>

namespace terramill::parallel {

namespace {
constexpr std::align_val_t kAlignment{64};

void require_cpu(c10::Device device) {
  if (device.is_cpu()) return;
  throw LibraryError(
      "this build has no CUDA parts",
      {"use a GPU", device.str(), "build it where a CUDA toolkit is, or run with --train.device cpu"});
}
}  // namespace

std::int64_t cuda_memory(c10::Device device) {
  throw LibraryError("this build has no CUDA parts", {"ask for the memory", device.str(), ""});
}

std::byte* allocate_for_copies(c10::Device device, std::size_t bytes) {
  require_cpu(device);
  return static_cast<std::byte*>(::operator new(bytes, kAlignment));
}

void release_for_copies(c10::Device /*device*/, std::byte* memory) noexcept {
  ::operator delete(memory, kAlignment);
}

struct DeviceCopies::State {
  std::deque<std::vector<at::Tensor>> begun;
};

DeviceCopies::DeviceCopies(c10::Device device) : state_(std::make_unique<State>()) { require_cpu(device); }

DeviceCopies::~DeviceCopies() = default;

void DeviceCopies::begin(const std::vector<at::Tensor>& host) { state_->begun.push_back(host); }

std::size_t DeviceCopies::pending() const noexcept { return state_->begun.size(); }

std::vector<at::Tensor> DeviceCopies::take() {
  std::vector<at::Tensor> tensors = std::move(state_->begun.front());
  state_->begun.pop_front();
  return tensors;
}

}  // namespace terramill::parallel
