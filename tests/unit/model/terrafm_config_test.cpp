#include "small_terrafm.hpp"

#include <terramill/core/error.hpp>
#include <terramill/model/init.hpp>

#include <cmath>
#include <string>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::model {
namespace {

bool refused(const TerrafmConfig& config) {
  try {
    check(config);
  } catch (const UsageError&) {
    return true;
  }
  return false;
}

TEST(TerrafmConfig, ImpossibleEncodersAreRefused) {
  const auto refused_with = [](auto change) {
    TerrafmConfig config = small_terrafm_config();
    change(config);
    return refused(config);
  };
  EXPECT_FALSE(refused_with([](TerrafmConfig&) {}));
  EXPECT_TRUE(refused_with([](TerrafmConfig& config) { config.heads = 5; }));
  EXPECT_TRUE(refused_with([](TerrafmConfig& config) { config.heads = 0; }));
  EXPECT_TRUE(refused_with([](TerrafmConfig& config) { config.embed_dim = 0; }));
  EXPECT_TRUE(refused_with([](TerrafmConfig& config) { config.depth = 0; }));
  EXPECT_TRUE(refused_with([](TerrafmConfig& config) { config.patch_size = 0; }));
  EXPECT_TRUE(refused_with([](TerrafmConfig& config) { config.image_size = 13; }));
  EXPECT_TRUE(refused_with([](TerrafmConfig& config) { config.mlp_ratio = 0; }));
  EXPECT_TRUE(refused_with([](TerrafmConfig& config) { config.drop_path = 1; }));
  EXPECT_TRUE(refused_with([](TerrafmConfig& config) { config.fusion_queries = -1; }));
  EXPECT_TRUE(refused_with([](TerrafmConfig& config) { config.fusion_heads = 7; }));
  EXPECT_FALSE(refused_with([](TerrafmConfig& config) {
    config.fusion_heads = 7;
    config.fusion_queries = 0;
  }));
}

TEST(TerrafmConfig, EverySizeIsPossibleAndUnknownNamesAreRefused) {
  for (const std::string size : {"small", "base", "large"}) {
    EXPECT_FALSE(refused(terrafm_size(size))) << size;
  }
  EXPECT_THROW(terrafm_size("huge"), UsageError);
  for (const Sensor sensor : {Sensor::kS1, Sensor::kS2L2a, Sensor::kS2L1c}) {
    EXPECT_EQ(sensor_from(name_of(sensor)), sensor);
  }
  EXPECT_THROW(sensor_from("s2"), UsageError);
}

TEST(TerrafmInitialisation, DependsOnSeedAndNameAlone) {
  TerrafmConfig deeper = small_terrafm_config();
  deeper.depth = 3;
  deeper.fusion_queries = 0;
  Terrafm a(small_terrafm_config()), b(deeper), other(deeper), prefixed(deeper);
  a.initialise(3);
  b.initialise(9);
  b.initialise(3);
  other.initialise(4);
  prefixed.initialise(3, "backbone.");
  const auto in_b = b.named_parameters();
  for (const auto& parameter : a.named_parameters()) {
    if (parameter.key().find("fusion") == std::string::npos) {
      EXPECT_TRUE(at::equal(parameter.value(), in_b[parameter.key()])) << parameter.key();
    }
  }
  EXPECT_FALSE(at::equal(in_b["pos_embed"], other.named_parameters()["pos_embed"]));
  EXPECT_FALSE(at::equal(in_b["pos_embed"], prefixed.named_parameters()["pos_embed"]));
}

TEST(TerrafmInitialisation, HasTheOfficialSpreadWithoutItsOutlier) {
  TerrafmConfig config = small_terrafm_config();
  config.embed_dim = 96;
  Terrafm net(config);
  net.initialise(1);
  for (const auto& parameter : net.named_parameters()) {
    const std::string& name = parameter.key();
    const at::Tensor& values = parameter.value();
    const double largest = values.abs().max().item<double>();
    const double bands = name.find("conv2d_s1") != std::string::npos ? 2 : 12;
    const double bound = 1 / std::sqrt(bands * 16);
    if (name.find("conv2d") != std::string::npos) {
      EXPECT_LE(largest, bound) << name;
      EXPECT_GT(largest, 0.9 * bound) << name;
      EXPECT_NEAR(values.std().item<double>(), bound / std::sqrt(3.0), 0.1 * bound) << name;
    } else if (name.find("norm") != std::string::npos && name.ends_with(".weight")) {
      EXPECT_TRUE(at::equal(values, at::ones_like(values))) << name;
    } else if (name.ends_with(".bias") || name.find("s1_embed") != std::string::npos ||
               name.find("s2_") != std::string::npos || name == "patch_embed.fusion.pool") {
      EXPECT_EQ(largest, 0) << name;
    } else {
      EXPECT_NEAR(values.std().item<double>(), 0.02, 0.004) << name;
      EXPECT_LT(largest, 0.15) << name;
    }
  }
}

TEST(TerrafmInitialisation, OfTheFirstStepAveragesTheQueries) {
  Terrafm net(small_terrafm_config());
  net.to(at::kDouble);
  net.initialise(1);
  TerrafmTrace trace;
  net.forward(random_images(2), {}, &trace);
  EXPECT_TRUE(at::allclose(trace.fused.flatten(0, 1), trace.fusion_values.mean(1)));
}

}  // namespace
}  // namespace terramill::model
