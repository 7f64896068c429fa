#pragma once

#include <terramill/loader/buffer.hpp>
#include <terramill/loader/loader.hpp>
#include <terramill/parallel/device_memory.hpp>

#include <cstddef>
#include <deque>
#include <vector>

namespace terramill::train {

/// A micro-batch's blocks as tensors that view its buffer: float32 or int64, in order.
std::vector<at::Tensor> host_blocks(const loader::MicroBatch& batch);

/// Buffers for a Loader from which `device` copies on its own: page-locked for a GPU.
loader::Allocator memory_for(c10::Device device);

/// Micro-batches on their way to a GPU while it computes an earlier one.
class Staging {
 public:
  explicit Staging(c10::Device device) : copies_(device) {}

  /// Starts to copy the blocks of `batch`, which must live until work on what `take` gives has ended.
  void begin(const loader::MicroBatch& batch);
  /// The blocks of `batch`: copies, where the copying was begun in this order, else as host_blocks gives
  /// them.
  std::vector<at::Tensor> take(const loader::MicroBatch& batch);

 private:
  parallel::DeviceCopies copies_;
  std::deque<const std::byte*> begun_;  ///< their buffers
};

}  // namespace terramill::train
