#include "refusal.hpp"
#include "small_model.hpp"

#include <terramill/core/error.hpp>
#include <terramill/model/mpmae_config.hpp>

#include <string>

#include <gtest/gtest.h>

namespace terramill::model {
namespace {

TEST(MpmaeConfig, SizesDoubleTheirChannelsFromStageToStage) {
  EXPECT_EQ(encoder_size("atto").dims, (std::vector<std::int64_t>{40, 80, 160, 320}));
  EXPECT_EQ(encoder_size("huge").dims, (std::vector<std::int64_t>{352, 704, 1408, 2816}));
  EXPECT_EQ(encoder_size("nano").depths, (std::vector<std::int64_t>{2, 2, 8, 2}));
  EXPECT_EQ(encoder_size_names().size(), 8U);
}

TEST(MpmaeConfig, UnknownNamesAreRefusedWithTheNearest) {
  EXPECT_NE(refusal([] { encoder_size("ato"); }).find("did you mean atto"), std::string::npos);
  EXPECT_NE(refusal([] { select_targets(mmearth_targets(), {"sentinel3"}); }).find("did you mean sentinel"),
            std::string::npos);
}

TEST(MpmaeConfig, ImpossibleModelsAreRefused) {
  const auto refused = [](auto change) {
    MpmaeConfig config = small_config();
    change(config);
    return !refusal([&] { check(config); }).empty();
  };
  EXPECT_FALSE(refused([](MpmaeConfig&) {}));
  EXPECT_TRUE(refused([](MpmaeConfig& config) { config.patch_size = 12; }));
  EXPECT_TRUE(refused([](MpmaeConfig& config) { config.targets.clear(); }));
  EXPECT_TRUE(refused([](MpmaeConfig& config) { config.targets.push_back(config.targets[0]); }));
  EXPECT_TRUE(refused([](MpmaeConfig& config) { config.size.dims.pop_back(); }));
  EXPECT_TRUE(refused([](MpmaeConfig& config) { config.in_channels = 0; }));
}

TEST(MpmaeConfig, GrnAndMaskTokenDecayBiasesAndNormsDoNot) {
  EXPECT_TRUE(takes_weight_decay("mask_token", 4));
  EXPECT_TRUE(takes_weight_decay("encoder.stages.0.0.grn.gamma", 2));
  EXPECT_FALSE(takes_weight_decay("encoder.stages.0.0.dwconv.bias", 2));
  EXPECT_FALSE(takes_weight_decay("loss_fn.log_vars", 1));
  EXPECT_FALSE(takes_weight_decay("layer_norm_tmp.weight", 1));
}

}  // namespace
}  // namespace terramill::model
