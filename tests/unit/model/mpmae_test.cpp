#include "refusal.hpp"
#include "small_model.hpp"

#include <terramill/core/error.hpp>
#include <terramill/model/mpmae.hpp>

#include <string>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::model {
namespace {

/// d total along a random direction through all parameters, by central differences and by the gradients.
void expect_gradients_hold(const MpmaeConfig& config, const MpmaeBatch& batch) {
  const auto net = random_model(config);
  net->forward(batch).total.backward();
  constexpr double kStep = 1e-6;
  std::uint64_t seed = 100;
  for (const auto& parameter : net->named_parameters()) {
    const at::Tensor direction = normal(parameter.value().sizes(), ++seed);
    const auto total_at = [&](double distance) {
      const torch::NoGradGuard no_gradient;
      parameter.value().add_(direction, distance);
      const double total = net->forward(batch).total.item<double>();
      parameter.value().sub_(direction, distance);
      return total;
    };
    const double measured = (total_at(kStep) - total_at(-kStep)) / (2 * kStep);
    ASSERT_TRUE(parameter.value().grad().defined()) << parameter.key();
    const double claimed = (parameter.value().grad() * direction).sum().item<double>();
    EXPECT_NEAR(claimed, measured, 1e-6 * std::max(1.0, std::abs(measured))) << parameter.key();
  }
}

TEST(Mpmae, GradientsAreTheDerivativesOfTheTotal) {
  const MpmaeConfig config = small_config();
  expect_gradients_hold(config, random_batch(config, 2, 16, 24));
}

TEST(Mpmae, GradientsHoldWithAStridedStem) {
  MpmaeConfig config = small_config();
  config.patch_size = 16;
  expect_gradients_hold(config, random_batch(config, 2, 32, 32));
  config.use_orig_stem = true;
  expect_gradients_hold(config, random_batch(config, 2, 32, 32));
}

TEST(Mpmae, GradientsHoldWhereElementsAreMissing) {
  MpmaeConfig config = small_config();
  MpmaeBatch batch = random_batch(config, 2, 16, 16);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  batch.input.narrow(2, 0, 3).fill_(nan);
  batch.targets[0].narrow(3, 5, 2).fill_(nan);
  batch.targets[1][0].fill_(nan);
  batch.targets[2].narrow(2, 0, 5).fill_(-1);
  batch.targets[3][0][1] = nan;
  batch.targets[4][1].zero_();
  for (const MissingMode mode : {MissingMode::kSkip, MissingMode::kMask}) {
    config.missing = mode;
    expect_gradients_hold(config, batch);
  }
}

TEST(Mpmae, RemovedPatchesOfTheInputDoNotMatter) {
  const MpmaeConfig config = small_config();
  const auto net = random_model(config);
  const MpmaeBatch batch = random_batch(config, 2, 16, 24);
  MpmaeBatch other = batch;
  const at::Tensor removed =
      batch.mask.view({2, 1, 2, 1, 3, 1}).expand({2, 3, 2, 8, 3, 8}).reshape({2, 3, 16, 24}).to(at::kBool);
  other.input = at::where(removed, normal(batch.input.sizes(), 50), batch.input);
  const auto a = net->forward(batch, true), b = net->forward(other, true);
  EXPECT_TRUE(at::equal(a.total, b.total));
  for (std::size_t i = 0; i < a.predictions.size(); ++i) {
    EXPECT_TRUE(at::equal(a.predictions[i], b.predictions[i])) << config.targets[i].name;
  }
}

TEST(Mpmae, PredictionsDoNotChangeTheLosses) {
  const MpmaeConfig config = small_config();
  const auto net = random_model(config);
  const MpmaeBatch batch = random_batch(config, 2, 16, 16);
  const auto with = net->forward(batch, true), without = net->forward(batch, false);
  EXPECT_TRUE(at::allclose(with.losses, without.losses, 1e-13, 0));
  EXPECT_TRUE(without.predictions.empty());
  EXPECT_EQ(with.predictions[2].sizes(), (at::IntArrayRef{2, 64 * 5, 2, 2}));
  EXPECT_EQ(with.predictions[4].sizes(), (at::IntArrayRef{2, 6}));
}

TEST(Mpmae, ValidationWithoutGradientGivesTheSameLosses) {
  const MpmaeConfig config = small_config();
  const auto net = random_model(config);
  const MpmaeBatch batch = random_batch(config, 2, 16, 16);
  const auto trained = net->forward(batch);
  const torch::NoGradGuard no_gradient;
  const auto validated = net->forward(batch);
  EXPECT_TRUE(at::equal(trained.losses, validated.losses));
  EXPECT_FALSE(validated.total.requires_grad());
}

TEST(Mpmae, RepeatsBitForBit) {
  const MpmaeConfig config = small_config();
  const MpmaeBatch batch = random_batch(config, 3, 16, 24);
  const auto gradients = [&] {
    const auto net = random_model(config);
    net->to(at::kFloat);
    net->forward(batch).total.backward();
    std::vector<at::Tensor> all;
    for (const at::Tensor& parameter : net->parameters()) all.push_back(parameter.grad().flatten());
    return at::cat(all);
  };
  EXPECT_TRUE(at::equal(gradients(), gradients()));
}

TEST(Mpmae, UnweightedTotalIsThePlainSum) {
  MpmaeConfig config = small_config();
  config.aggregation = Aggregation::kUnweighted;
  const auto net = random_model(config);
  const auto output = net->forward(random_batch(config, 2, 16, 16));
  EXPECT_TRUE(at::equal(output.total, output.losses.sum()));
  EXPECT_EQ(net->named_parameters().find("loss_fn.log_vars"), nullptr);
}

TEST(Mpmae, RunsOnTheSchemaMajortom) {
  MpmaeConfig config;
  config.size = small_config().size;
  config.patch_size = 16;
  config.decoder_width = 8;
  config.targets = select_targets(majortom_targets(), {"s2_l2a", "s1_rtc", "dem", "land_cover"});
  const auto net = random_model(config);
  EXPECT_EQ(net->named_parameters().find("layer_norm_tmp.weight"), nullptr);
  const auto output = net->forward(random_batch(config, 2, 48, 48));
  EXPECT_TRUE(output.losses.isfinite().all().item<bool>());
  EXPECT_TRUE(output.losses.gt(0).all().item<bool>());
}

TEST(Mpmae, MisfittingBatchesAreRefusedByName) {
  const MpmaeConfig config = small_config();
  const auto net = random_model(config);
  const MpmaeBatch good = random_batch(config, 2, 16, 16);
  const auto refused = [&](const MpmaeBatch& batch) { return refusal([&] { net->forward(batch); }); };
  MpmaeBatch bad = good;
  bad.input = good.input.narrow(1, 0, 2);
  EXPECT_NE(refused(bad).find("input"), std::string::npos);
  bad = good;
  bad.input = good.input.narrow(2, 0, 12);
  EXPECT_NE(refused(bad).find("patch size"), std::string::npos);
  bad = good;
  bad.mask = good.mask.narrow(1, 0, 3);
  EXPECT_NE(refused(bad).find("mask"), std::string::npos);
  bad = good;
  bad.targets[1] = good.targets[1].narrow(1, 0, 1);
  EXPECT_NE(refused(bad).find("radar"), std::string::npos);
}

}  // namespace
}  // namespace terramill::model
