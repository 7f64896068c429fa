#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

namespace terramill::parallel {

/// Memory of a GPU in bytes. LibraryError without CUDA parts or where CUDA refuses.
std::int64_t cuda_memory(c10::Device device);

/// Host memory that `device` copies from without the host's help: page-locked for a GPU, aligned to 64 bytes.
/// LibraryError where there is none.
std::byte* allocate_for_copies(c10::Device device, std::size_t bytes);
/// Gives it back; `device` as at its allocation.
void release_for_copies(c10::Device device, std::byte* memory) noexcept;

/// Copies of host tensors to a GPU beside its computation, on a stream of their own; on the CPU nothing is
/// copied. Not for several threads at once.
class DeviceCopies {
 public:
  explicit DeviceCopies(c10::Device device);
  ~DeviceCopies();
  DeviceCopies(const DeviceCopies&) = delete;
  DeviceCopies& operator=(const DeviceCopies&) = delete;

  /// Starts to copy. From memory of `allocate_for_copies` the call returns at once; what the tensors view
  /// must then stay as it is until work given to the current stream after `take` has ended.
  void begin(const std::vector<at::Tensor>& host);
  /// Copies begun and not taken.
  std::size_t pending() const noexcept;
  /// The copies begun first, on the device, for the current stream; on the CPU the tensors themselves. There
  /// must be some.
  std::vector<at::Tensor> take();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace terramill::parallel
