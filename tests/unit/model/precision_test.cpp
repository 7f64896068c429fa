#include "small_model.hpp"
#include "small_terrafm.hpp"

#include <terramill/model/dino.hpp>
#include <terramill/model/layers.hpp>
#include <terramill/model/precision.hpp>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::model {
namespace {

/// The largest share of `expected`'s largest value by which `got` differs: bfloat16 has 8 bits.
double relative_error(const at::Tensor& got, const at::Tensor& expected) {
  return ((got.to(at::kDouble) - expected.to(at::kDouble)).abs().max() / expected.to(at::kDouble).abs().max())
      .item<double>();
}

struct Pass {
  at::Tensor loss;
  std::map<std::string, at::Tensor> gradients;
};

Pass pass(torch::nn::Module& net, bool bfloat16, const std::function<at::Tensor()>& forward) {
  net.zero_grad(/*set_to_none=*/true);
  Pass result;
  {
    const Bfloat16Scope precision(c10::kCPU, bfloat16);
    result.loss = forward();
  }
  result.loss.backward();
  for (const auto& item : net.named_parameters()) {
    if (item.value().grad().defined()) result.gradients.emplace(item.key(), item.value().grad().clone());
  }
  return result;
}

/// Losses and gradients in bfloat16: float32 values near those of float32, the same at a second run and with
/// recomputed blocks.
template <typename Net>
void expect_near_float32(Net& net, const std::function<at::Tensor()>& forward) {
  const Pass wide = pass(net, false, forward), narrow = pass(net, true, forward),
             again = pass(net, true, forward);
  net.recompute_blocks(true);
  const Pass recomputed = pass(net, true, forward);
  EXPECT_EQ(narrow.loss.scalar_type(), at::kFloat);
  EXPECT_FALSE(narrow.loss.equal(wide.loss)) << "nothing was computed in bfloat16";
  // Roundings of 2^-9 through some ten products.
  EXPECT_LT(relative_error(narrow.loss, wide.loss), 0.02);
  ASSERT_EQ(narrow.gradients.size(), wide.gradients.size());
  std::vector<at::Tensor> got, expected;
  std::string errors;
  for (const auto& [name, gradient] : narrow.gradients) {
    EXPECT_EQ(gradient.scalar_type(), at::kFloat) << name;
    EXPECT_TRUE(gradient.equal(again.gradients.at(name))) << name;
    EXPECT_TRUE(gradient.equal(recomputed.gradients.at(name))) << name;
    errors += "\n" + name + " " + std::to_string(relative_error(gradient, wide.gradients.at(name)));
    got.push_back(gradient.flatten());
    expected.push_back(wide.gradients.at(name).flatten());
  }
  const at::Tensor all = at::cat(got), all_wide = at::cat(expected);
  EXPECT_LT(((all - all_wide).norm() / all_wide.norm()).item<double>(), 0.05) << errors;
  EXPECT_TRUE(narrow.loss.equal(again.loss) && narrow.loss.equal(recomputed.loss));
}

TEST(Bfloat16, MpmaeStaysNearFloat32AndRepeatsItsBits) {
  MpmaeConfig config = small_config();  // but wider: norms over a few channels magnify roundings
  config.size.dims = {16, 24, 32, 40};
  config.decoder_width = 32;
  const auto net = random_model(config);
  net->to(at::kFloat);
  const MpmaeBatch batch = random_batch(config, 3, 16, 24);
  expect_near_float32(*net, [&] { return net->forward(batch).total; });
}

TEST(Bfloat16, TerrafmStaysNearFloat32AndRepeatsItsBits) {
  const auto net = random_terrafm(small_terrafm_config());
  net->to(at::kFloat);
  SensorImages images = random_images(3), small = random_images(3, 8, 8, 5);
  images.present = presence({{1, 1, 0}, {0, 0, 1}, {1, 1, 1}});
  for (std::size_t s = 0; s < kSensors; ++s) {
    images.images[s] = images.images[s].to(at::kFloat);
    small.images[s] = small.images[s].to(at::kFloat);
  }
  const at::Tensor weights = normal({6, small_terrafm_config().embed_dim}, 9).to(at::kFloat);
  expect_near_float32(*net, [&] {
    return (at::cat({net->forward(images), net->forward(small)}) * weights).square().sum();
  });
}

TEST(Bfloat16, OwnFunctionsKeepTheTypeOfTheirRowsAndComputeInFloat32) {
  SiteLevel level = site_levels(normal({2, 5, 5}, 1).gt(0), {}, {true}, at::kCPU).front();
  const std::int64_t rows = level.active_sites();
  const at::Tensor wide = normal({rows, 8}, 2).to(at::kFloat);
  const at::Tensor kernel = normal({49, 8}, 3).to(at::kFloat), bias = normal({8}, 4).to(at::kFloat);
  const std::vector<std::function<at::Tensor(const at::Tensor&)>> functions{
      [&](const at::Tensor& x) { return depthwise_on_sites(x, kernel, bias, level); },
      [&](const at::Tensor& x) {
        return global_response_norm(x.unsqueeze(0), kernel[0], bias, 1e-6, 8).squeeze(0);
      },
      [&](const at::Tensor& x) { return scatter_rows(x, level.sites, level.grid_sites()); },
      [&](const at::Tensor& x) { return gather_rows(x, at::arange(0, rows, 2)); }};
  for (std::size_t i = 0; i < functions.size(); ++i) {
    at::Tensor narrow = wide.to(at::kBFloat16).requires_grad_();
    at::Tensor same = wide.to(at::kBFloat16).to(at::kFloat).requires_grad_();
    const at::Tensor got = functions[i](narrow), expected = functions[i](same);
    EXPECT_EQ(got.scalar_type(), at::kBFloat16) << i;
    EXPECT_TRUE(got.equal(expected.to(at::kBFloat16))) << i;
    got.sum().backward();
    expected.sum().backward();
    EXPECT_EQ(narrow.grad().scalar_type(), at::kBFloat16) << i;
    EXPECT_TRUE(narrow.grad().equal(same.grad().to(at::kBFloat16))) << i;
  }
}

TEST(Bfloat16, HeadNormalisesAndComparesInFloat32) {
  DinoHead head({8, 16, 4, 12});
  head.initialise(1);
  const at::Tensor features = normal({5, 8}, 1).to(at::kFloat);
  const Bfloat16Scope precision(c10::kCPU, true);
  const at::Tensor scores = head.forward(features);
  EXPECT_EQ(head.bottleneck(features).scalar_type(), at::kBFloat16);
  EXPECT_EQ(scores.scalar_type(), at::kFloat);
  EXPECT_FALSE(scores.equal(scores.to(at::kBFloat16).to(at::kFloat)));
  EXPECT_TRUE(Bfloat16Scope::active(c10::kCPU));
}

TEST(Bfloat16, ScopesEndAndLeaveFloat64Alone) {
  const at::Tensor weight = normal({4, 4}, 1);
  {
    const Bfloat16Scope on(c10::kCPU, true);
    EXPECT_EQ(at::linear(weight, weight).scalar_type(), at::kDouble);
    {
      const Bfloat16Scope off(c10::kCPU, false);
      EXPECT_EQ(at::linear(weight.to(at::kFloat), weight.to(at::kFloat)).scalar_type(), at::kFloat);
    }
    EXPECT_EQ(at::linear(weight.to(at::kFloat), weight.to(at::kFloat)).scalar_type(), at::kBFloat16);
  }
  EXPECT_FALSE(Bfloat16Scope::active(c10::kCPU));
}

}  // namespace
}  // namespace terramill::model
