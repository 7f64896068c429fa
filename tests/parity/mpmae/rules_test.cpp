#include "mpmae_vectors.hpp"

#include <terramill/model/masking.hpp>

#include <map>
#include <string>

#include <gtest/gtest.h>

namespace terramill::parity {
namespace {

class Rules : public testing::Test {
 protected:
  void SetUp() override {
    if (!set_.available()) GTEST_SKIP() << "no parity vectors in " << set_.folder();
  }

  /// The model among the fcmae_* files that has exactly the parameters `names`; null when there is none.
  std::unique_ptr<model::Mpmae> model_with(const std::vector<std::string>& names) const {
    for (const std::string& file : set_.files("fcmae_", ".safetensors")) {
      auto net = std::make_unique<model::Mpmae>(model_config(set_.config(file)));
      auto own = parameter_names(*net);
      if (std::ranges::is_permutation(own, names)) return net;
    }
    return nullptr;
  }

  VectorSet set_{"mpmae"};
};

TEST_F(Rules, MaskKeepsThePatchesOfSmallestNoise) {
  for (const std::string& file : set_.files("mask_from_noise", ".safetensors")) {
    const Vectors vectors(set_, file, "float64");
    const double ratio = vectors.config().at("mask_ratio").get<double>();
    for (const std::string& name : vectors.names("noise_")) {
      const std::string mask = "mask_" + name.substr(std::string("noise_").size());
      EXPECT_EQ(vectors.disagreement(mask, model::mask_from_noise(vectors.raw(name), ratio)), "");
    }
  }
}

TEST_F(Rules, OneCropWindowPerSampleForAllModalities) {
  for (const std::string& file : set_.files("crop", ".safetensors")) {
    const Vectors vectors(set_, file, "float64");
    const auto size = vectors.config().at("crop_size").get<std::int64_t>();
    for (const std::string& name : vectors.names("in.")) {
      const at::Tensor got = model::crop_windows(vectors.raw(name), vectors.raw("src_xy_topleft"), size);
      EXPECT_EQ(vectors.disagreement("out." + name.substr(3), got), "");
    }
  }
}

TEST_F(Rules, StateDictHasTheOfficialNamesAndShapes) {
  for (const std::string& file : set_.files("", "_keys.json")) {
    const Json keys = read_json(set_.folder() / file);
    const model::MpmaeConfig config = model_config(set_.config(file));
    const model::Mpmae net(config);
    std::map<std::string, std::vector<std::int64_t>> own;
    std::int64_t total = 0, encoder = 0;
    for (const auto& parameter : net.named_parameters()) {
      own[parameter.key()] = parameter.value().sizes().vec();
      total += parameter.value().numel();
      if (parameter.key().starts_with("encoder.")) encoder += parameter.value().numel();
    }
    for (const auto& [alias, canonical] : model::shared_parameter_aliases(config)) {
      own[alias] = own.at(canonical);
    }
    for (const auto& [key, value] : keys.items()) {
      if (key.starts_with("fcmae_sparse")) {
        EXPECT_EQ(own, (value.get<std::map<std::string, std::vector<std::int64_t>>>())) << file << " " << key;
      }
    }
    EXPECT_EQ(total, keys.at("n_params_total").get<std::int64_t>());
    EXPECT_EQ(encoder, keys.at("n_params_encoder").get<std::int64_t>());
  }
}

TEST_F(Rules, WeightDecayGroupsAndAliasesAreTheReferences) {
  for (const std::string& file : set_.files("rules", ".json")) {
    const Json rules = read_json(set_.folder() / file);
    const Json& groups = rules.at("pretrain_groups");
    std::vector<std::string> names;
    for (const auto& [name, group] : groups.items()) names.push_back(name);
    const auto net = model_with(names);
    ASSERT_NE(net, nullptr) << "no fcmae_* file has the parameters of pretrain_groups";
    for (const auto& parameter : net->named_parameters()) {
      const bool decays = model::takes_weight_decay(parameter.key(), parameter.value().dim());
      EXPECT_EQ(groups.at(parameter.key()), decays ? "decay" : "no_decay") << parameter.key();
    }
    std::map<std::string, std::string> aliases;
    for (const auto& [alias, canonical] : model::shared_parameter_aliases(net->config()))
      aliases[alias] = canonical;
    EXPECT_EQ(aliases, (rules.at("shared_parameter_aliases").get<std::map<std::string, std::string>>()));
  }
}

}  // namespace
}  // namespace terramill::parity
