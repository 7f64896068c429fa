#include "refusal.hpp"
#include "small_terrafm.hpp"

#include <terramill/core/error.hpp>

#include <limits>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::model {
namespace {

/// Every combination of sensors, in no order.
const std::vector<std::vector<int>> kMixed{{1, 1, 0}, {0, 0, 1}, {1, 1, 1}, {0, 1, 0},
                                           {1, 0, 0}, {0, 1, 1}, {0, 0, 1}, {1, 0, 1}};

/// Sample `index` alone, with those of its sensors that `row` lists.
SensorImages sample_of(const SensorImages& images, std::size_t index, const std::vector<int>& row) {
  SensorImages sample;
  for (std::size_t s = 0; s < kSensors; ++s) {
    if (row[s] != 0) sample.images[s] = images.images[s].narrow(0, static_cast<std::int64_t>(index), 1);
  }
  return sample;
}

/// `images` with `rows` as presence, and what is absent not a number.
SensorImages blanked(const SensorImages& images, const std::vector<std::vector<int>>& rows) {
  SensorImages mixed;
  mixed.present = presence(rows);
  for (std::size_t s = 0; s < kSensors; ++s) {
    const at::Tensor lacks = mixed.present.select(1, static_cast<std::int64_t>(s)).logical_not();
    mixed.images[s] =
        images.images[s].masked_fill(lacks.view({-1, 1, 1, 1}), std::numeric_limits<double>::quiet_NaN());
  }
  return mixed;
}

std::vector<at::Tensor> gradients(Terrafm& net, const at::Tensor& loss) {
  net.zero_grad(/*set_to_none=*/true);
  loss.backward();
  std::vector<at::Tensor> found;
  for (const auto& parameter : net.parameters()) {
    found.push_back(parameter.grad().defined() ? parameter.grad().clone() : at::zeros_like(parameter));
  }
  return found;
}

void expect_close(const std::vector<at::Tensor>& got, const std::vector<at::Tensor>& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_TRUE(at::allclose(got[i], expected[i], 1e-10, 1e-11)) << i;
  }
}

/// Output and gradients of a mixed micro-batch against each sample's own run.
void expect_samples_on_their_own(const TerrafmConfig& config, const std::vector<std::vector<int>>& rows) {
  const auto net = random_terrafm(config);
  const auto batch = static_cast<std::int64_t>(rows.size());
  const SensorImages images = random_images(batch, 12, 16);
  const at::Tensor weights = normal({batch, config.embed_dim}, 99);
  const at::Tensor mixed = net->forward(blanked(images, rows));
  std::vector<at::Tensor> single;
  for (std::size_t b = 0; b < rows.size(); ++b) {
    single.push_back(net->forward(sample_of(images, b, rows[b])));
  }
  expect_close({mixed}, {at::cat(single)});
  expect_close(gradients(*net, (mixed * weights).sum()), gradients(*net, (at::cat(single) * weights).sum()));
}

TEST(Terrafm, MixedSensorsEqualEachSamplesOwnRun) {
  TerrafmConfig config = small_terrafm_config();
  expect_samples_on_their_own(config, kMixed);
  expect_samples_on_their_own(config, {{1, 1, 0}, {0, 0, 1}});
  config.norm_before_pool = false;
  expect_samples_on_their_own(config, kMixed);
}

TEST(Terrafm, DifferentSingleSensorsNeedNoFusion) {
  TerrafmConfig config = small_terrafm_config();
  config.fusion_queries = 0;
  expect_samples_on_their_own(config, {{0, 0, 1}, {1, 0, 0}, {0, 1, 0}, {1, 0, 0}});
}

TEST(Terrafm, SeveralSensorsWithoutFusionAreRefused) {
  TerrafmConfig config = small_terrafm_config();
  config.fusion_queries = 0;
  const auto net = random_terrafm(config);
  EXPECT_NE(refusal([&] { net->forward(random_images(2)); }).find("no fusion"), std::string::npos);
}

TEST(Terrafm, AllPresentIsTheSameAsNoPresence) {
  const auto net = random_terrafm(small_terrafm_config());
  SensorImages images = random_images(3);
  const at::Tensor without = net->forward(images);
  images.present = at::ones({3, kSensors}, at::kBool);
  EXPECT_TRUE(at::equal(net->forward(images), without));
}

TEST(Terrafm, SensorPresentNowhereIsNotTouched) {
  const auto net = random_terrafm(small_terrafm_config());
  SensorImages images = random_images(2);
  images[Sensor::kS2L2a].fill_(std::numeric_limits<double>::quiet_NaN());
  images.present = presence({{1, 0, 1}, {1, 0, 0}});
  const at::Tensor out = net->forward(images);
  EXPECT_TRUE(out.isfinite().all().item<bool>());
  out.sum().backward();
  for (const auto& parameter : net->named_parameters()) {
    const bool of_absent = parameter.key().find("s2_l2a") != std::string::npos;
    EXPECT_EQ(parameter.value().grad().defined(), !of_absent) << parameter.key();
  }
}

TEST(Terrafm, OneSensorGoesTheOfficialWayWhetherThereIsFusionOrNot) {
  TerrafmConfig config = small_terrafm_config();
  const auto with = random_terrafm(config);
  config.fusion_queries = 0;
  Terrafm without(config);
  without.to(at::kDouble);
  {
    const torch::NoGradGuard no_gradient;
    const auto values = with->named_parameters();
    for (const auto& parameter : without.named_parameters()) {
      parameter.value().copy_(values[parameter.key()]);
    }
  }
  SensorImages images;
  images[Sensor::kS2L1c] = random_images(3)[Sensor::kS2L1c];
  const at::Tensor out = with->forward(images);
  EXPECT_TRUE(at::equal(out, without.forward(images)));
  out.sum().backward();
  EXPECT_FALSE(with->named_parameters()["patch_embed.fusion.query"].grad().defined());
}

TEST(Terrafm, FusionOfTwoEqualSensorsIsEitherOfThem) {
  for (const bool norm_first : {true, false}) {
    TerrafmConfig config = small_terrafm_config();
    config.norm_before_pool = norm_first;
    const auto net = random_terrafm(config);
    {
      const torch::NoGradGuard no_gradient;
      const auto all = net->named_parameters();
      for (const std::string part : {"s2_%_embed", "conv2d_s2_%.weight", "conv2d_s2_%.bias"}) {
        const auto of = [&](const std::string& level) {
          return all["patch_embed." + std::string(part).replace(part.find('%'), 1, level)];
        };
        of("l1c").copy_(of("l2a"));
      }
    }
    SensorImages one, two;
    one[Sensor::kS2L2a] = two[Sensor::kS2L2a] = two[Sensor::kS2L1c] = random_images(2)[Sensor::kS2L2a];
    expect_close({net->forward(two)}, {net->forward(one)});
  }
}

TEST(Terrafm, RepeatsItsBits) {
  const auto net = random_terrafm(small_terrafm_config());
  const SensorImages images = blanked(random_images(8, 16, 16), kMixed);
  const at::Tensor weights = normal({8, 12}, 3);
  const auto run = [&] {
    const at::Tensor out = net->forward(images);
    auto results = gradients(*net, (out * weights).sum());
    results.push_back(out.detach());
    return results;
  };
  const auto first = run(), second = run();
  for (std::size_t i = 0; i < first.size(); ++i) {
    EXPECT_TRUE(at::equal(first[i], second[i])) << i;
  }
}

TEST(Terrafm, BatchWhoseBranchesAreAllDroppedEndsAfterTheFirstBlock) {
  TerrafmConfig config = small_terrafm_config();
  config.drop_path = 0.2;
  const auto net = random_terrafm(config);
  const SensorImages images = random_images(3);
  const at::Tensor dropped = net->forward(images, at::zeros({2, 3}));
  EXPECT_TRUE(at::equal(dropped, net->normalise(net->block_outputs(images, {0})[0].select(1, 0))));
  EXPECT_FALSE(at::allclose(net->forward(images, at::ones({2, 3})), net->forward(images)));
  EXPECT_NE(refusal([&] { net->forward(images, at::ones({3, 2})); }), "");
}

TEST(Terrafm, ImpossibleImagesAreRefused) {
  const auto net = random_terrafm(small_terrafm_config());
  const auto refused = [&](auto change) {
    SensorImages images = random_images(2);
    images.present = presence({{1, 1, 0}, {0, 1, 0}});
    change(images);
    return !refusal([&] { net->forward(images); }).empty();
  };
  EXPECT_FALSE(refused([](SensorImages&) {}));
  EXPECT_TRUE(refused([](SensorImages& images) { images.images = {}; }));
  EXPECT_TRUE(refused([](SensorImages& images) { images.images[0] = normal({2, 3, 12, 12}, 1); }));
  EXPECT_TRUE(refused([](SensorImages& images) { images.images[1] = normal({2, 12, 12, 16}, 1); }));
  EXPECT_TRUE(refused([](SensorImages& images) { images = random_images(2, 3, 12); }));
  EXPECT_TRUE(refused([](SensorImages& images) { images.present = presence({{1, 1, 0}}); }));
  EXPECT_TRUE(refused([](SensorImages& images) { images.present = images.present.to(at::kDouble); }));
  EXPECT_TRUE(
      refused([](SensorImages& images) { images.images[1] = at::Tensor(); }));  // the second has no other
}

TEST(Terrafm, BlocksOutOfOrderOrRangeAreRefused) {
  const auto net = random_terrafm(small_terrafm_config());
  for (const std::vector<int>& blocks : std::vector<std::vector<int>>{{}, {-1}, {2}, {1, 0}, {1, 1}}) {
    EXPECT_NE(refusal([&] { net->block_outputs(random_images(1), blocks); }), "");
  }
}

TEST(Positions, ResizeEqualsBicubicUpsamplingAtTheOfficialScaleWithItsGradient) {
  constexpr std::int64_t kPatch = 4, kSide = 5, kWidth = 3;
  const std::vector<std::pair<std::int64_t, std::int64_t>> sizes{{8, 8},   {12, 20}, {20, 24},
                                                                 {36, 40}, {4, 100}, {23, 11}};
  for (const auto& [height, width] : sizes) {
    const at::Tensor ours = normal({1, kSide * kSide + 1, kWidth}, 1).requires_grad_();
    const at::Tensor theirs = ours.detach().clone().requires_grad_();
    const at::Tensor resized = resize_positions(ours, height, width, kPatch);
    const std::int64_t rows = height / kPatch, columns = width / kPatch;
    const auto scale = [](std::int64_t cells) { return (static_cast<double>(cells) + 0.1) / kSide; };
    const at::Tensor grid =
        theirs.narrow(1, 1, kSide * kSide).reshape({1, kSide, kSide, kWidth}).permute({0, 3, 1, 2});
    const at::Tensor sampled =
        at::upsample_bicubic2d(grid, {rows, columns}, /*align_corners=*/false, scale(rows), scale(columns));
    const at::Tensor expected = at::cat(
        {theirs.narrow(1, 0, 1), sampled.permute({0, 2, 3, 1}).reshape({1, rows * columns, kWidth})}, 1);
    const at::Tensor weights = normal(expected.sizes(), 2);
    (resized * weights).sum().backward();
    (expected * weights).sum().backward();
    expect_close({resized, ours.grad()}, {expected, theirs.grad()});
  }
}

TEST(Positions, AreLeftAloneForSquaresOfAsManyPatches) {
  const at::Tensor positions = normal({1, 10, 3}, 1);
  EXPECT_TRUE(resize_positions(positions, 13, 13, 4).is_same(positions));
  EXPECT_FALSE(at::allclose(resize_positions(positions, 4, 36, 4), positions));
}

}  // namespace
}  // namespace terramill::model
