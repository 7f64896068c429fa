#include <terramill/train/staging.hpp>

#include <ATen/ops/from_blob.h>

namespace terramill::train {

std::vector<at::Tensor> host_blocks(const loader::MicroBatch& batch) {
  std::vector<at::Tensor> blocks;
  for (const loader::Block& block : batch.blocks) {
    blocks.push_back(block.floats.empty() ? at::from_blob(block.integers.data(), block.shape, at::kLong)
                                          : at::from_blob(block.floats.data(), block.shape, at::kFloat));
  }
  return blocks;
}

loader::Allocator memory_for(c10::Device device) {
  return {[device](std::size_t bytes) { return parallel::allocate_for_copies(device, bytes); },
          [device](std::byte* memory, std::size_t) { parallel::release_for_copies(device, memory); }};
}

void Staging::begin(const loader::MicroBatch& batch) {
  copies_.begin(host_blocks(batch));
  begun_.push_back(batch.buffer.data());
}

std::vector<at::Tensor> Staging::take(const loader::MicroBatch& batch) {
  while (!begun_.empty()) {
    const bool wanted = begun_.front() == batch.buffer.data();
    begun_.pop_front();
    std::vector<at::Tensor> blocks = copies_.take();
    if (wanted) return blocks;
  }
  return host_blocks(batch);
}

}  // namespace terramill::train
