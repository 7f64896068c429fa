#include "mpi/parallel/invented_gradients.hpp"
#include "support/memory_meter.hpp"

#include <terramill/parallel/adamw.hpp>
#include <terramill/parallel/gradient_memory.hpp>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::parallel {
namespace {

using terramill::testing::InventedGradients;
using terramill::testing::MemoryMeter;

TEST(GradientMemory, IsWhatBufferAndOptimiserAllocateToTheByte) {
  // One replica: its thread alone takes and gives back what is counted.
  const Mesh mesh(mpi::Communicator::self(), at::kCPU);
  for (const Reduction reduction : {Reduction::kExact, Reduction::kFast}) {
    for (const int micro_batches : {1, 4, 5, 16, 31}) {
      const InventedGradients invented;
      const MemoryMeter meter;
      GradientBuffer buffer(mesh, invented.groups(), reduction);
      for (int repeat = 0; repeat < 2; ++repeat) invented.run_step(buffer, mesh, micro_batches);
      EXPECT_EQ(meter.now(), gradient_memory(buffer, {reduction}, micro_batches).buffers)
          << micro_batches << " micro-batches, " << static_cast<int>(reduction);

      const std::int64_t before = meter.now();
      const AdamW optimiser(buffer, {});
      std::int64_t moments = 0;
      for (const auto& [name, parameter] : invented.parameters) {
        moments += 2 * static_cast<std::int64_t>(parameter.nbytes()) + 8;
      }
      EXPECT_EQ(meter.now() - before, moments);
      EXPECT_EQ(optimiser.bytes() + 8 * static_cast<std::int64_t>(buffer.size()), moments);
    }
  }
}

}  // namespace
}  // namespace terramill::parallel
