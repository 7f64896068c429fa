#include "mpi/parallel/invented_gradients.hpp"

#include <terramill/core/error.hpp>
#include <terramill/parallel/bucket_size.hpp>
#include <terramill/parallel/gradient_buffer.hpp>

#include <algorithm>
#include <cmath>
#include <span>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::parallel {
namespace {

using terramill::testing::InventedGradients;

/// Micro-batches in a global batch, and bytes of a bucket: a few elements, some, all.
class GradientBufferTest : public ::testing::TestWithParam<std::tuple<int, std::int64_t>> {
 protected:
  Mesh mesh{mpi::Communicator::world(), at::kCPU};
  int micro_batches = std::get<0>(GetParam());
  std::int64_t bucket_bytes = std::get<1>(GetParam());
};

TEST_P(GradientBufferTest, ExactIsTheSameBitsOnAnyNumberOfReplicas) {
  for (const auto type : {at::kFloat, at::kDouble}) {
    const InventedGradients invented(type);
    GradientBuffer buffer(mesh, invented.groups(), Reduction::kExact, bucket_bytes);
    for (int repeat = 0; repeat < 3; ++repeat) {
      invented.run_step(buffer, mesh, micro_batches);
      for (std::size_t i = 0; i < buffer.size(); ++i) {
        // What one process sums in the defined order, whatever the ranks.
        EXPECT_TRUE(buffer.gradient(i).equal(invented.tree_mean(i, micro_batches))) << "parameter " << i;
        EXPECT_EQ(buffer.gradient(i).scalar_type(), type);
      }
    }
  }
}

TEST_P(GradientBufferTest, FastIsCloseAndRepeatsItsBits) {
  const InventedGradients invented;
  GradientBuffer buffer(mesh, invented.groups(), Reduction::kFast, bucket_bytes);
  std::vector<at::Tensor> first;
  for (int repeat = 0; repeat < 2; ++repeat) {
    invented.run_step(buffer, mesh, micro_batches);
    for (std::size_t i = 0; i < buffer.size(); ++i) {
      at::Tensor sum = torch::zeros_like(buffer.gradient(i), at::kDouble), size = torch::zeros_like(sum);
      for (int m = 0; m < micro_batches; ++m) {
        sum += invented.gradient(i, m);
        size += invented.gradient(i, m).to(at::kDouble).abs();
      }
      const at::Tensor error = (buffer.gradient(i).to(at::kDouble) * micro_batches - sum).abs();
      EXPECT_TRUE(error.le(1e-6 * size).all().item<bool>()) << "parameter " << i;
      if (repeat == 0) {
        first.push_back(buffer.gradient(i).clone());
      } else {
        EXPECT_TRUE(first[i].equal(buffer.gradient(i)));
      }
    }
  }
}

TEST_P(GradientBufferTest, TellsWhichParametersAnyReplicaUsed) {
  const InventedGradients invented;
  for (const auto reduction : {Reduction::kExact, Reduction::kFast}) {
    GradientBuffer buffer(mesh, invented.groups(), reduction, bucket_bytes);
    invented.run_step(buffer, mesh, micro_batches);
    for (std::size_t i = 0; i < buffer.size(); ++i) {
      EXPECT_EQ(buffer.used(i), i != InventedGradients::kNever);
      EXPECT_FALSE(invented.parameters[i].second.grad().defined());
    }
  }
}

TEST_P(GradientBufferTest, NormIsTheSameBitsOnEveryRankAndForAnyReplicas) {
  const InventedGradients invented;
  GradientBuffer buffer(mesh, invented.groups(), Reduction::kExact, bucket_bytes);
  invented.run_step(buffer, mesh, micro_batches);
  double sum = 0;
  for (std::size_t i = 0; i < buffer.size(); ++i) {
    sum += invented.tree_mean(i, micro_batches).to(at::kDouble).square().sum().item<double>();
  }
  const double norm = buffer.norm();
  EXPECT_NEAR(norm, std::sqrt(sum), 1e-12 * norm);
  EXPECT_EQ(mesh.world().max(norm), mesh.world().min(norm));
  buffer.scale(0.5);
  EXPECT_NEAR(buffer.norm(), norm / 2, 1e-6 * norm);
}

TEST_P(GradientBufferTest, AStepLeftUnfinishedIsForgotten) {
  const InventedGradients invented;
  for (const auto reduction : {Reduction::kExact, Reduction::kFast}) {
    GradientBuffer buffer(mesh, invented.groups(), reduction, bucket_bytes);
    invented.run_step(buffer, mesh, micro_batches);
    const at::Tensor expected = buffer.gradient(0).clone();
    buffer.begin_step(micro_batches);
    if (mesh.micro_batches(micro_batches).size() > 1) {
      buffer.begin_micro_batch(mesh.micro_batches(micro_batches).begin);
      invented.backward(1);
    }
    invented.run_step(buffer, mesh, micro_batches);
    EXPECT_TRUE(buffer.gradient(0).equal(expected));
  }
}

INSTANTIATE_TEST_SUITE_P(Batches, GradientBufferTest,
                         ::testing::Combine(::testing::Values(4, 5, 7, 8),
                                            ::testing::Values(std::int64_t{64}, std::int64_t{1000},
                                                              std::int64_t{25} << 20)));

TEST(GradientBuffer, SumsOnANarrowWireAreCloseAndTheSameEverywhere) {
  const Mesh mesh(mpi::Communicator::world(), at::kCPU);
  const InventedGradients invented;
  EXPECT_THROW(GradientBuffer(mesh, invented.groups(), {Reduction::kExact, false, 256, at::kBFloat16}),
               UsageError);
  for (const bool sharded : {false, true}) {
    GradientBuffer buffer(mesh, invented.groups(), {Reduction::kFast, sharded, 256, at::kBFloat16});
    invented.run_step(buffer, mesh, 4);
    for (const OwnedRange& range : buffer.owned()) {
      at::Tensor size = torch::zeros({range.end - range.begin});
      for (int m = 0; m < 4; ++m) {
        size += invented.gradient(range.parameter, m).flatten().slice(0, range.begin, range.end).abs() / 4;
      }
      const at::Tensor wanted =
          invented.tree_mean(range.parameter, 4).flatten().slice(0, range.begin, range.end);
      EXPECT_TRUE((buffer.gradient(range) - wanted).abs().le(0.03 * size).all().item<bool>());
    }
  }
}

TEST(GradientBuffer, OwnedRangesCoverEveryParameterOnce) {
  const Mesh mesh(mpi::Communicator::world(), at::kCPU);
  const InventedGradients invented;
  const GradientBuffer buffer(mesh, invented.groups(), {Reduction::kFast, true, 256, at::kFloat});
  for (std::size_t i = 0; i < buffer.size(); ++i) {
    std::vector<int> owners(static_cast<std::size_t>(buffer.parameter(i).second.numel()), 0);
    for (const OwnedRange& range : buffer.owned()) {
      if (range.parameter != i) continue;
      for (std::int64_t k = range.begin; k < range.end; ++k) ++owners[static_cast<std::size_t>(k)];
    }
    mesh.world().sum(std::span(owners));
    EXPECT_TRUE(std::ranges::all_of(owners, [](int count) { return count == 1; })) << "parameter " << i;
  }
}

TEST(BucketSize, GrowsWithTheLatencyAndStaysInItsBounds) {
  EXPECT_EQ(bucket_for({1e-6, 1e9}), std::int64_t{1} << 20);
  EXPECT_EQ(bucket_for({2e-4, 1e10}), std::int64_t{64} << 20);
  EXPECT_LT(bucket_for({1e-4, 1e9}), bucket_for({1e-3, 1e9}));
  const Mesh mesh(mpi::Communicator::world(), at::kCPU);
  EXPECT_EQ(bucket_bytes(mesh, "3"), std::int64_t{3} << 20);
  const std::int64_t measured = bucket_bytes(mesh, "auto");
  EXPECT_EQ(mesh.world().max(measured), mesh.world().min(measured));
  for (const char* text : {"", "0", "-1", "1.5", "much", "5000"})
    EXPECT_THROW(bucket_bytes(mesh, text), UsageError);
}

TEST(GradientBuffer, RefusesWrongUse) {
  const Mesh mesh(mpi::Communicator::self(), at::kCPU);
  const InventedGradients invented;
  GradientBuffer buffer(mesh, invented.groups(), Reduction::kExact);
  EXPECT_THROW(invented.backward(0), UsageError) << "outside a micro-batch";
  EXPECT_THROW(buffer.gradient(0), UsageError);
  buffer.begin_step(2);
  EXPECT_THROW(buffer.begin_micro_batch(1), UsageError);
  buffer.begin_micro_batch(0);
  EXPECT_THROW(buffer.begin_micro_batch(1), UsageError);
  invented.backward(0);
  EXPECT_THROW(invented.backward(0), UsageError) << "two backward passes";
  buffer.end_micro_batch();
  EXPECT_THROW(buffer.finish_step(), UsageError);

  auto twice = invented.groups();
  twice[1].parameters.push_back(invented.parameters[0]);
  EXPECT_THROW(GradientBuffer(mesh, twice, Reduction::kExact), UsageError);
  EXPECT_THROW(GradientBuffer(mesh, {}, Reduction::kExact), UsageError);
  EXPECT_THROW(parse_reduction("quick"), UsageError);
}

TEST(GradientBuffer, LeavesParametersAloneAfterItsEnd) {
  const Mesh mesh(mpi::Communicator::self(), at::kCPU);
  const InventedGradients invented;
  { const GradientBuffer buffer(mesh, invented.groups(), Reduction::kFast); }
  invented.backward(0);
  EXPECT_TRUE(invented.parameters[0].second.grad().equal(invented.gradient(0, 0)));
}

}  // namespace
}  // namespace terramill::parallel
