#include "small_model.hpp"

#include <terramill/core/error.hpp>
#include <terramill/model/layers.hpp>
#include <terramill/model/masking.hpp>
#include <terramill/model/sites.hpp>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::model {
namespace {

at::Tensor leaf(at::IntArrayRef shape, std::uint64_t seed) { return normal(shape, seed).requires_grad_(); }

TEST(DepthwiseOnSites, DirectAndDenseFormsAgree) {
  const at::Tensor active = normal({3, 9, 11}, 1).gt(0.3);
  const SiteLevel direct = site_levels(active, {}, {true}, at::kCPU).front();
  const SiteLevel dense = site_levels(active, {}, {false}, at::kCPU).front();
  const auto run = [&](const SiteLevel& level, at::ScalarType type) {
    const at::Tensor rows = leaf({level.active_sites(), 5}, 2), kernel = leaf({49, 5}, 3),
                     bias = leaf({5}, 4);
    const at::Tensor out = depthwise_on_sites(rows.to(type), kernel.to(type), bias.to(type), level);
    (out * normal(out.sizes(), 5)).sum().backward();
    return std::vector{out.to(at::kDouble).detach(), rows.grad(), kernel.grad(), bias.grad()};
  };
  for (const auto& [type, tolerance] : {std::pair{at::kDouble, 1e-12}, std::pair{at::kFloat, 1e-4}}) {
    const auto a = run(direct, type), b = run(dense, type);
    for (std::size_t i = 0; i < a.size(); ++i) {
      EXPECT_TRUE(at::allclose(a[i], b[i], tolerance, tolerance)) << c10::toString(type) << " " << i;
    }
  }
}

TEST(SiteLevels, CoarseSiteExistsWhereItsCellHoldsAnActiveOne) {
  const at::Tensor active = normal({2, 12, 8}, 1).gt(1.2);
  const auto levels = site_levels(active, {2, 2}, {true, true, true}, at::kCPU);
  at::Tensor grid = active.to(at::kFloat).unsqueeze(1);
  for (const SiteLevel& level : levels) {
    EXPECT_TRUE(at::equal(level.sites, grid.flatten().nonzero().squeeze(1)));
    grid = at::max_pool2d(grid, {2, 2});
  }
}

TEST(Rows, ScatterIsTheAdjointOfGather) {
  const at::Tensor index = at::tensor({4, 0, 3}, at::kLong);
  const at::Tensor big = leaf({6, 2}, 1), small = leaf({3, 2}, 2);
  const at::Tensor left = (gather_rows(big, index) * small).sum(),
                   right = (big * scatter_rows(small, index, 6)).sum();
  EXPECT_NEAR((left - right).item<double>(), 0, 1e-14);
  left.backward();
  const at::Tensor from_gather = big.grad().clone();
  big.mutable_grad().zero_();
  small.mutable_grad().zero_();
  right.backward();
  EXPECT_TRUE(at::equal(from_gather, big.grad()));
}

TEST(GlobalResponseNorm, EqualsItsFormulaWithItsGradients) {
  const auto run = [](bool composed) {
    const at::Tensor x = leaf({3, 10, 6}, 1), gamma = leaf({6}, 2), beta = leaf({6}, 3);
    at::Tensor y;
    if (composed) {
      const at::Tensor norms = x.norm(2, {1}, true);
      y = gamma * (x * (norms / (norms.mean(-1, true) + 1e-4))) + beta + x;
    } else {
      y = global_response_norm(x, gamma, beta, 1e-4, x.size(2));
    }
    (y * normal(y.sizes(), 4)).sum().backward();
    return std::vector{y.detach(), x.grad(), gamma.grad(), beta.grad()};
  };
  const auto ours = run(false), formula = run(true);
  for (std::size_t i = 0; i < ours.size(); ++i) {
    EXPECT_TRUE(at::allclose(ours[i], formula[i], 1e-12, 1e-12)) << i;
  }
}

TEST(GlobalResponseNorm, ChannelOfZerosHasFiniteGradient) {
  at::Tensor x = normal({1, 10, 6}, 1);
  x.select(2, 3).zero_();
  x.requires_grad_();
  global_response_norm(x, normal({6}, 2), normal({6}, 3), 1e-6, 6).sum().backward();
  EXPECT_TRUE(x.grad().isfinite().all().item<bool>());
}

TEST(Mask, RemovesTheSameShareOfEverySample) {
  const at::Tensor mask = mask_from_noise(normal({5, 49}, 1), 0.6);
  EXPECT_TRUE(at::equal(mask.sum(1), at::full({5}, 30.0, at::kDouble)));
}

TEST(Crop, WindowOutsideTheImageIsRefused) {
  const at::Tensor images = normal({1, 2, 8, 8}, 1);
  EXPECT_THROW(crop_windows(images, torch::tensor({{3, 0}}), 6), UsageError);
  EXPECT_THROW(crop_windows(images, torch::tensor({{0, -1}}), 6), UsageError);
  EXPECT_TRUE(
      at::equal(crop_windows(images, torch::tensor({{2, 1}}), 6), images.narrow(2, 1, 6).narrow(3, 2, 6)));
}

}  // namespace
}  // namespace terramill::model
