#include "mpi/parallel/invented_gradients.hpp"

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

/// `steps` updates on `mesh`.
void train(const InventedGradients& invented, const Mesh& mesh, int steps) {
  GradientBuffer buffer(mesh, invented.groups(), Reduction::kExact, 256);
  AdamW optimiser(buffer, {});
  for (int step = 0; step < steps; ++step) {
    invented.run_step(buffer, mesh, kMicroBatches);
    optimiser.step(kRate);
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
