#include <terramill/core/error.hpp>
#include <terramill/parallel/deterministic.hpp>
#include <terramill/parallel/device.hpp>
#include <terramill/train/staging.hpp>

#include <cstdlib>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::train {
namespace {

/// A micro-batch of one float and one integer block in memory for `device`.
loader::MicroBatch batch_on(c10::Device device, float first) {
  loader::MicroBatch batch;
  batch.buffer = loader::BufferPool::create(128, memory_for(device))->take();
  loader::Block floats, integers;
  floats.shape = {2, 4};
  floats.floats = {reinterpret_cast<float*>(batch.buffer.data()), 8};
  std::iota(floats.floats.begin(), floats.floats.end(), first);
  integers.shape = {2};
  integers.integers = {reinterpret_cast<std::int64_t*>(batch.buffer.data() + 64), 2};
  integers.integers[0] = integers.integers[1] = static_cast<std::int64_t>(first);
  batch.blocks = {floats, integers};
  return batch;
}

void expect_blocks(const std::vector<at::Tensor>& blocks, const loader::MicroBatch& batch,
                   c10::Device device) {
  const std::vector<at::Tensor> host = host_blocks(batch);
  ASSERT_EQ(blocks.size(), host.size());
  for (std::size_t i = 0; i < host.size(); ++i) {
    EXPECT_EQ(blocks[i].device().type(), device.type());
    EXPECT_TRUE(blocks[i].cpu().equal(host[i]));
  }
}

TEST(Staging, GivesTheBlocksOfWhatWasBegunOrNot) {
  const c10::Device device = c10::kCPU;
  Staging staging(device);
  const loader::MicroBatch first = batch_on(device, 1), second = batch_on(device, 50),
                           third = batch_on(device, 9);
  expect_blocks(staging.take(first), first, device);
  staging.begin(second);
  staging.begin(third);
  expect_blocks(staging.take(second), second, device);
  expect_blocks(staging.take(third), third, device);
  staging.begin(first);
  expect_blocks(staging.take(second), second, device);  // what was begun for nothing is let go
}

TEST(Staging, CopiesToTheGpuBesideItsComputation) {
  if (!parallel::cuda_available()) GTEST_SKIP() << "no GPU answers";
  const c10::Device device(c10::kCUDA, 0);
  Staging staging(device);
  std::vector<loader::MicroBatch> batches;
  for (int i = 0; i < 8; ++i) batches.push_back(batch_on(device, static_cast<float>(100 * i)));
  staging.begin(batches[0]);
  for (std::size_t i = 0; i < batches.size(); ++i) {
    const std::vector<at::Tensor> blocks = staging.take(batches[i]);
    if (i + 1 < batches.size()) staging.begin(batches[i + 1]);
    expect_blocks(blocks, batches[i], device);
  }
  EXPECT_GT(parallel::cuda_memory(device), 0);
}

TEST(Determinism, NeedsTheWorkspaceOfCublasOnAGpuAlone) {
  ::unsetenv("CUBLAS_WORKSPACE_CONFIG");
  EXPECT_NO_THROW(parallel::require_determinism(c10::kCPU));
  const c10::Device gpu(c10::kCUDA, 0);
  EXPECT_THROW(parallel::require_determinism(gpu), UsageError);
  ::setenv("CUBLAS_WORKSPACE_CONFIG", ":0:0", 1);
  EXPECT_THROW(parallel::require_determinism(gpu), UsageError);
  EXPECT_FALSE(at::globalContext().deterministicAlgorithms());
}

}  // namespace
}  // namespace terramill::train
