#include "small_model.hpp"

#include <terramill/model/init.hpp>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::model {
namespace {

TEST(Initialisation, DependsOnSeedAndNameAlone) {
  const MpmaeConfig config = small_config();
  MpmaeConfig fewer = config;
  fewer.targets = {config.targets[0], config.targets[2]};
  Mpmae a(config), b(fewer), other(config);
  a.initialise(3);
  b.initialise(9);
  b.initialise(3);
  other.initialise(4);
  for (const auto& parameter : b.named_parameters()) {
    if (parameter.key() == "loss_fn.log_vars") continue;
    EXPECT_TRUE(at::equal(parameter.value(), a.named_parameters()[parameter.key()])) << parameter.key();
  }
  EXPECT_FALSE(at::equal(a.named_parameters()["proj.weight"], other.named_parameters()["proj.weight"]));
}

TEST(Initialisation, ElementsDoNotDependOnTheNumberAfterThem) {
  at::Tensor few = at::empty({5000}), many = at::empty({20000});
  draw_parameter(few, "x", {Distribution::Kind::kTruncNormal, 1}, 1);
  draw_parameter(many, "x", {Distribution::Kind::kTruncNormal, 1}, 1);
  EXPECT_TRUE(at::equal(few, many.narrow(0, 0, 5000)));
}

TEST(Initialisation, FollowsTheReferencesDistributions) {
  const auto expect = [](const std::string& name, std::int64_t dimensions, Distribution::Kind kind,
                         double value) {
    const Distribution got = mpmae_distribution(name, dimensions);
    EXPECT_EQ(got.kind, kind) << name;
    EXPECT_EQ(got.value, value) << name;
  };
  using Kind = Distribution::Kind;
  expect("mask_token", 4, Kind::kNormal, 0.02);
  expect("loss_fn.log_vars", 1, Kind::kConstant, 0);
  expect("encoder.initial_conv.0.kernel", 3, Kind::kTruncNormal, 0.02);
  expect("encoder.initial_conv.0.bias", 2, Kind::kConstant, 0);
  expect("encoder.stem.0.kernel", 2, Kind::kTruncNormal, 1);
  expect("encoder.stem_orig.0.kernel", 2, Kind::kTruncNormal, 0.02);
  expect("encoder.downsample_layers.0.0.ln.weight", 1, Kind::kConstant, 1);
  expect("encoder.downsample_layers.0.1.kernel", 3, Kind::kTruncNormal, 0.02);
  expect("encoder.stages.0.0.dwconv.kernel", 2, Kind::kTruncNormal, 1);
  expect("encoder.stages.0.0.pwconv1.linear.weight", 2, Kind::kTruncNormal, 1);
  expect("encoder.stages.0.0.grn.gamma", 2, Kind::kConstant, 0);
  expect("proj.weight", 4, Kind::kTruncNormal, 1);
  expect("decoder_dict.sentinel2.0.dwconv.weight", 4, Kind::kTruncNormal, 1);
  expect("decoder_dict.sentinel2.0.norm.weight", 1, Kind::kConstant, 1);
  expect("decoder_dict.sentinel2.0.pwconv1.weight", 2, Kind::kTruncNormal, 0.02);
  expect("pred_dict.sentinel2.weight", 4, Kind::kTruncNormal, 1);
  expect("pred_dict.era5.weight", 2, Kind::kTruncNormal, 0.02);
  expect("layer_norm_tmp.weight", 1, Kind::kConstant, 1);
}

TEST(Initialisation, DrawsHaveTheirSpreadAndBounds) {
  at::Tensor wide = at::empty({200, 300}, at::kDouble), narrow = at::empty({200, 300}, at::kDouble);
  draw_parameter(wide, "wide", {Distribution::Kind::kTruncNormal, 1}, 1);
  draw_parameter(narrow, "narrow", {Distribution::Kind::kNormal, 0.02}, 1);
  EXPECT_LE(wide.abs().max().item<double>(), 2);
  // The standard deviation of a normal distribution cut at two of its own.
  EXPECT_NEAR(wide.std().item<double>(), 0.8796, 0.01);
  EXPECT_NEAR(narrow.std().item<double>(), 0.02, 0.0005);
  EXPECT_NEAR(wide.mean().item<double>(), 0, 0.02);
}

}  // namespace
}  // namespace terramill::model
