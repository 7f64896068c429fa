#include "small_model.hpp"
#include "small_terrafm.hpp"

#include <terramill/model/recompute.hpp>

#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::model {
namespace {

/// The values and gradients of one forward and backward pass.
struct Pass {
  std::vector<at::Tensor> values;
  std::map<std::string, at::Tensor> gradients;
};

/// Counts how often each parameter's gradient is complete.
struct Count final : torch::autograd::PostAccumulateGradHook {
  explicit Count(int* counter) : count(counter) {}
  void operator()(const torch::autograd::Variable& /*tensor*/) override { ++*count; }
  int* count;
};

template <typename Forward>
Pass pass(torch::nn::Module& net, const Forward& forward) {
  net.zero_grad(/*set_to_none=*/true);
  std::map<std::string, int> arrivals;
  for (const auto& item : net.named_parameters()) {
    torch::autograd::impl::set_post_acc_grad_hooks(item.value(),
                                                   std::make_unique<Count>(&arrivals[item.key()]));
  }
  Pass result;
  result.values = forward();
  result.values.front().backward();
  for (const auto& item : net.named_parameters()) {
    torch::autograd::impl::set_post_acc_grad_hooks(item.value(), nullptr);
    const at::Tensor gradient = item.value().grad();
    EXPECT_EQ(arrivals[item.key()], gradient.defined() ? 1 : 0) << item.key();
    if (gradient.defined()) result.gradients.emplace(item.key(), gradient.clone());
  }
  return result;
}

void expect_same_bits(const Pass& got, const Pass& expected) {
  ASSERT_EQ(got.values.size(), expected.values.size());
  for (std::size_t i = 0; i < got.values.size(); ++i) EXPECT_TRUE(got.values[i].equal(expected.values[i]));
  ASSERT_EQ(got.gradients.size(), expected.gradients.size());
  for (const auto& [name, gradient] : expected.gradients) {
    EXPECT_TRUE(got.gradients.at(name).equal(gradient)) << name;
  }
}

class RecomputeTest : public ::testing::TestWithParam<at::ScalarType> {};

TEST_P(RecomputeTest, LeavesEveryBitOfMpmaeAsItIs) {
  MpmaeConfig config = small_config();
  config.size.depths = {1, 2, 1, 1};
  config.decoder_depth = 2;
  const auto net = random_model(config);
  net->to(GetParam());
  const MpmaeBatch batch = random_batch(config, 3, 16, 24);
  const auto forward = [&] {
    const MpmaeOutput output = net->forward(batch);
    return std::vector{output.total, output.losses};
  };
  const Pass plain = pass(*net, forward);
  net->recompute_blocks(true);
  expect_same_bits(pass(*net, forward), plain);
}

TEST_P(RecomputeTest, LeavesEveryBitOfTerrafmAsItIsAndAddsTheGradientsOfTwoUsesFirst) {
  TerrafmConfig config = small_terrafm_config();
  config.depth = 3;
  config.drop_path = 0.5;
  const auto net = random_terrafm(config);
  net->to(GetParam());
  SensorImages large = random_images(3), small = random_images(3, 8, 8, 5);
  for (std::size_t s = 0; s < kSensors; ++s) {
    large.images[s] = large.images[s].to(GetParam());
    small.images[s] = small.images[s].to(GetParam());
  }
  const at::Tensor keep = at::tensor({1, 0, 1, 1, 1, 0, 0, 1, 1, 1, 1, 1}).view({4, 3});
  const auto forward = [&] {
    const at::Tensor features = at::cat({net->forward(large, keep), net->forward(small, keep.flip(0))});
    return std::vector{features.square().sum(), features};
  };
  const Pass plain = pass(*net, forward);
  net->recompute_blocks(true);
  expect_same_bits(pass(*net, forward), plain);
}

INSTANTIATE_TEST_SUITE_P(Types, RecomputeTest, ::testing::Values(at::kFloat, at::kDouble));

TEST(Recompute, RunsTheBlockASecondTimeOnlyForGradients) {
  torch::nn::Module block;
  const at::Tensor weight = block.register_parameter("weight", torch::ones({2}));
  int runs = 0;
  const auto forward = [&](const at::Tensor& in) {
    ++runs;
    return in * weight;
  };
  const at::Tensor input = torch::ones({2});
  {
    const torch::NoGradGuard no_gradient;
    EXPECT_FALSE(recompute(block, forward, input).requires_grad());
  }
  EXPECT_EQ(runs, 1);
  recompute(block, forward, torch::ones({2}).requires_grad_()).sum().backward();
  EXPECT_EQ(runs, 3);
  recompute(block, forward, input).sum().backward();  // an input without a gradient: a plain call
  EXPECT_EQ(runs, 4);
  EXPECT_TRUE(weight.grad().equal(torch::full({2}, 2.0F)));
}

}  // namespace
}  // namespace terramill::model
