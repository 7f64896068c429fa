#include "mpi/parallel/invented_gradients.hpp"

#include <terramill/core/error.hpp>
#include <terramill/parallel/adamw.hpp>

#include <vector>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::parallel {
namespace {

using terramill::testing::InventedGradients;

constexpr int kMicroBatches = 4;
constexpr double kRate = 1e-3;

void fill(const InventedGradients& invented) {
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : invented.parameters) tensor.fill_(1.0);
}

/// `steps` updates on `mesh`, in buckets of a block per replica.
void train(const InventedGradients& invented, const Mesh& mesh, int steps, bool sharded = false,
           Reduction reduction = Reduction::kExact) {
  GradientBuffer buffer(mesh, invented.groups(), {reduction, sharded, 256, at::kFloat});
  AdamW optimiser(buffer, {});
  for (int step = 0; step < steps; ++step) {
    invented.run_step(buffer, mesh, kMicroBatches);
    optimiser.step(kRate);
    optimiser.wait_for_all();
  }
}

TEST(AdamW, WeightsAreTheSameBitsOnAnyNumberOfReplicas) {
  const mpi::Communicator world = mpi::Communicator::world();
  const InventedGradients together, alone;
  fill(together);
  fill(alone);
  train(together, Mesh(world, at::kCPU), 5);
  train(alone, Mesh(mpi::Communicator::self(), at::kCPU), 5);
  for (std::size_t i = 0; i < alone.parameters.size(); ++i) {
    EXPECT_TRUE(together.parameters[i].second.equal(alone.parameters[i].second)) << "parameter " << i;
  }
}

TEST(AdamW, ShardsGiveTheBitsOfTheWhole) {
  const Mesh mesh(mpi::Communicator::world(), at::kCPU);
  for (const auto type : {at::kFloat, at::kDouble}) {
    const InventedGradients whole(type), sharded(type);
    fill(whole);
    fill(sharded);
    train(whole, mesh, 5);
    train(sharded, mesh, 5, true);
    for (std::size_t i = 0; i < whole.parameters.size(); ++i) {
      EXPECT_TRUE(sharded.parameters[i].second.equal(whole.parameters[i].second)) << "parameter " << i;
    }
  }
}

TEST(AdamW, ShardsOfFastSumsAreClose) {
  const Mesh mesh(mpi::Communicator::world(), at::kCPU);
  const InventedGradients whole(at::kDouble), sharded(at::kDouble);
  fill(whole);
  fill(sharded);
  train(whole, mesh, 3);
  train(sharded, mesh, 3, true, Reduction::kFast);
  for (std::size_t i = 0; i < whole.parameters.size(); ++i) {
    EXPECT_TRUE(sharded.parameters[i].second.allclose(whole.parameters[i].second, 1e-9, 1e-12)) << i;
  }
}

TEST(AdamW, ShardsDivideTheMomentsAndTheNormStays) {
  const Mesh mesh(mpi::Communicator::world(), at::kCPU);
  const InventedGradients invented;
  fill(invented);
  GradientBuffer whole(mesh, invented.groups(), {Reduction::kExact, false, 256, at::kFloat});
  invented.run_step(whole, mesh, kMicroBatches);
  const double norm = whole.norm();
  const std::int64_t all = AdamW(whole, {}).bytes();

  const InventedGradients again;
  fill(again);
  GradientBuffer sharded(mesh, again.groups(), {Reduction::kExact, true, 256, at::kFloat});
  const AdamW optimiser(sharded, {});
  again.run_step(sharded, mesh, kMicroBatches);
  EXPECT_EQ(sharded.norm(), norm) << "the bits do not depend on who owns what";
  EXPECT_EQ(mesh.world().sum(optimiser.bytes()), all) << "each element has one owner";
  if (mesh.dp() > 1) {
    EXPECT_THROW(optimiser.state(), UsageError);
    EXPECT_THROW(sharded.gradient(4), UsageError);
  }
}

TEST(AdamW, AgreesWithLibTorchGroupByGroup) {
  const Mesh mesh(mpi::Communicator::self(), at::kCPU);
  const InventedGradients invented(at::kDouble);
  fill(invented);
  std::vector<at::Tensor> theirs;
  for (const auto& [name, tensor] : invented.parameters)
    theirs.push_back(tensor.detach().clone().requires_grad_());
  torch::optim::AdamWOptions decayed(kRate), plain(kRate / 2);
  decayed.betas({0.9, 0.95}).weight_decay(0.05);
  plain.betas({0.9, 0.95}).weight_decay(0);
  torch::optim::AdamW reference(
      std::vector<torch::optim::OptimizerParamGroup>{
          {{theirs.begin(), theirs.begin() + 4}, std::make_unique<torch::optim::AdamWOptions>(decayed)},
          {{theirs.begin() + 4, theirs.end()}, std::make_unique<torch::optim::AdamWOptions>(plain)}},
      torch::optim::AdamWOptions(kRate));
  for (int step = 0; step < 4; ++step) {
    for (std::size_t i = 0; i < theirs.size(); ++i) {
      if (i == InventedGradients::kNever) continue;
      theirs[i].mutable_grad() = invented.tree_mean(i, kMicroBatches);
    }
    reference.step();
  }
  train(invented, mesh, 4);
  for (std::size_t i = 0; i < theirs.size(); ++i) {
    EXPECT_TRUE(invented.parameters[i].second.allclose(theirs[i], 1e-12, 1e-14)) << "parameter " << i;
  }
}

TEST(AdamW, LeavesUnusedParametersAlone) {
  const Mesh mesh(mpi::Communicator::world(), at::kCPU);
  const InventedGradients invented;
  fill(invented);
  GradientBuffer buffer(mesh, invented.groups(), Reduction::kFast);
  AdamW optimiser(buffer, {});
  invented.run_step(buffer, mesh, kMicroBatches);
  optimiser.step(kRate);
  for (const auto& [name, tensor] : optimiser.state()) {
    if (name.ends_with(".p1")) {
      EXPECT_TRUE(tensor.eq(0).all().item<bool>()) << name;
    } else if (name.starts_with("adam.step.")) {
      EXPECT_EQ(tensor.item<std::int64_t>(), 1) << name;
    }
  }
  EXPECT_TRUE(invented.parameters[InventedGradients::kNever].second.eq(1).all().item<bool>());
}

TEST(AdamW, ItsStateRestoresIt) {
  const Mesh mesh(mpi::Communicator::world(), at::kCPU);
  const InventedGradients through, resumed;
  fill(through);
  train(through, mesh, 4);

  fill(resumed);
  std::vector<at::Tensor> saved;
  {
    GradientBuffer buffer(mesh, resumed.groups(), Reduction::kExact);
    AdamW optimiser(buffer, {});
    for (int step = 0; step < 2; ++step) {
      resumed.run_step(buffer, mesh, kMicroBatches);
      optimiser.step(kRate);
    }
    for (const auto& [name, tensor] : optimiser.state()) saved.push_back(tensor.clone());
  }
  GradientBuffer buffer(mesh, resumed.groups(), Reduction::kExact);
  AdamW optimiser(buffer, {});
  const auto state = optimiser.state();
  for (std::size_t k = 0; k < state.size(); ++k) at::Tensor(state[k].second).copy_(saved[k]);
  for (int step = 0; step < 2; ++step) {
    resumed.run_step(buffer, mesh, kMicroBatches);
    optimiser.step(kRate);
  }
  for (std::size_t i = 0; i < through.parameters.size(); ++i) {
    EXPECT_TRUE(through.parameters[i].second.equal(resumed.parameters[i].second)) << "parameter " << i;
  }
}

}  // namespace
}  // namespace terramill::parallel
