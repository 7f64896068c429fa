#pragma once

#include <terramill/model/terrafm.hpp>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <parity/vectors.hpp>

namespace terramill::parity {

/// What a run computed, under the names of the vectors without their precision ("f64/", "f32/"). A tensor may
/// be computed in several ways: each is compared.
using Results = std::multimap<std::string, at::Tensor>;

inline bool is_float32(const std::string& name) {
  return name.starts_with("f32/") || name.find("/f32/") != std::string::npos || name.ends_with("_f32");
}

inline std::string without_precision(std::string name) {
  for (const std::string part : {"f64/", "f32/"}) {
    const std::size_t at = name.starts_with(part) ? 0 : name.find("/" + part);
    if (at != std::string::npos) {
      return name.erase(at == 0 ? 0 : at + 1, part.size());
    }
  }
  return name;
}

inline bool begins_with_one_of(const std::string& name, const std::vector<std::string>& prefixes) {
  return std::ranges::any_of(prefixes, [&](const std::string& prefix) { return name.starts_with(prefix); });
}

/// Compares every stored output whose name begins with one of `groups`: in float64 those of the float64 run,
/// in float32 all. One that nothing here computes is a failure.
inline void compare(const Vectors& vectors, const Results& results, const std::vector<std::string>& groups) {
  std::size_t expected = 0, compared = 0;
  const Json& tolerances = vectors.set()
                               .entry(vectors.name())
                               .at("tolerance")
                               .at(vectors.dtype() == at::kDouble ? "float64" : "float32");
  for (const auto& [name, info] : vectors.set().entry(vectors.name()).at("tensors").items()) {
    const bool output = info.at("role") != "input" && info.at("role") != "parameter";
    if (!output || !begins_with_one_of(name, groups)) continue;
    if (vectors.dtype() == at::kDouble && is_float32(name)) continue;
    ++expected;
    EXPECT_TRUE(tolerances.contains(info.at("role").get<std::string>())) << name << " has no tolerance";
    const auto [first, last] = results.equal_range(without_precision(name));
    EXPECT_NE(first, last) << vectors.name() << " holds " << name << ", which nothing computes";
    for (auto result = first; result != last; ++result) {
      EXPECT_EQ(vectors.disagreement(name, result->second), "");
    }
    compared += first != last ? 1 : 0;
  }
  EXPECT_GT(expected, 0U);
  EXPECT_EQ(compared, expected);
}

/// The encoder that a manifest entry's config describes.
inline model::TerrafmConfig encoder_config(const Json& config) {
  model::TerrafmConfig described;
  described.image_size = config.at("img_size").get<std::int64_t>();
  described.patch_size = config.at("patch_size").get<std::int64_t>();
  described.embed_dim = config.at("embed_dim").get<std::int64_t>();
  described.depth = config.at("depth").get<std::int64_t>();
  described.heads = config.at("num_heads").get<std::int64_t>();
  described.mlp_ratio = config.at("mlp_ratio").get<double>();
  described.drop_path = config.value("drop_path_rate", 0.0);
  described.fusion_queries = 0;
  return described;
}

/// Copies `prefix`* of `vectors` into the module. Names and shapes must agree both ways.
inline void load(torch::nn::Module& net, const Vectors& vectors, const std::string& prefix) {
  net.to(test_device(), vectors.dtype());
  const torch::NoGradGuard no_gradient;
  const auto own = net.named_parameters();
  ASSERT_EQ(own.size(), vectors.names(prefix).size());
  for (const auto& parameter : own) {
    ASSERT_TRUE(vectors.has(prefix + parameter.key())) << parameter.key();
    const at::Tensor stored = vectors.real(prefix + parameter.key());
    ASSERT_EQ(stored.sizes(), parameter.value().sizes()) << parameter.key();
    parameter.value().copy_(stored);
  }
}

/// Gradients of every parameter as `prefix` + its name; those without are left out.
inline void add_gradients(Results& results, const torch::nn::Module& net, const std::string& prefix) {
  for (const auto& parameter : net.named_parameters()) {
    if (parameter.value().grad().defined()) {
      results.emplace(prefix + parameter.key(), parameter.value().grad());
    }
  }
}

inline model::SensorImages images_of(const std::string& sensor, const at::Tensor& image) {
  model::SensorImages images;
  images[model::sensor_from(sensor)] = image;
  return images;
}

/// Skips where there are no vectors; runs each test in both precisions.
class TerrafmVectors : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    at::set_num_threads(1);
    if (!set_.available()) GTEST_SKIP() << "no parity vectors in " << set_.folder();
  }
  Vectors open(const std::string& file) const { return {set_, file + ".safetensors", GetParam()}; }

  VectorSet set_{"terrafm"};
};

inline std::string precision_name(const testing::TestParamInfo<std::string>& info) { return info.param; }

}  // namespace terramill::parity
