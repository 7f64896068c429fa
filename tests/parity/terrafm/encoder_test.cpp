#include "terrafm_vectors.hpp"

#include <numeric>

namespace terramill::parity {
namespace {

using model::SensorImages;
using model::Terrafm;

/// A row of config.cases.
struct Case {
  std::string name, sensor;
  std::vector<int> features;  ///< blocks whose extract_feature its loss has
};

std::vector<Case> cases_of(const Vectors& vectors) {
  std::vector<Case> cases;
  for (const Json& row : vectors.config().at("cases")) {
    cases.push_back({row.at(0).get<std::string>(), row.at(1).get<std::string>(), {}});
    for (const int block : vectors.config().at("extract_idx").get<std::vector<int>>()) {
      if (vectors.has(cases.back().name + "/loss_F" + std::to_string(block))) {
        cases.back().features.push_back(block);
      }
    }
  }
  return cases;
}

at::Tensor case_loss(const Terrafm& net, const Vectors& vectors, const Case& row,
                     const SensorImages& images) {
  at::Tensor loss = (net.forward(images) * vectors.real(row.name + "/loss_R")).sum();
  if (!row.features.empty()) {
    const auto maps = net.feature_maps(images, row.features);
    for (std::size_t i = 0; i < maps.size(); ++i) {
      const at::Tensor weights = vectors.real(row.name + "/loss_F" + std::to_string(row.features[i]));
      loss = loss + (maps[i] * weights).sum();
    }
  }
  return loss;
}

at::Tensor patches_of(const at::Tensor& tokens) { return tokens.narrow(1, 1, tokens.size(1) - 1); }

/// What forward() passes through and gives, as traced.
void add_trace(Results& results, const Terrafm& net, const Case& row, const SensorImages& images) {
  const std::string at = row.name + "/";
  model::TerrafmTrace trace;
  results.emplace(at + "cls", net.forward(images, {}, &trace));
  results.emplace(at + "conv", trace.convolved[static_cast<std::size_t>(model::sensor_from(row.sensor))]);
  results.emplace(at + "projection_proj1", trace.proj1);
  results.emplace(at + "projection_norm_input", trace.norm_input);
  results.emplace(at + "projection_proj2", trace.proj2);
  results.emplace(at + "projection_proj3", trace.proj3);
  results.emplace(at + "pos_embed_used", trace.positions);
  results.emplace(at + "tokens", trace.tokens);
  results.emplace(at + "block0_attn_probs", trace.attention[0]);
  results.emplace(at + "block0_attn_out", trace.attended[0]);
  results.emplace(at + "last_selfattention", trace.attention.back());
  results.emplace(at + "norm", net.normalise(trace.blocks.back()));
  for (std::size_t i = 0; i < trace.blocks.size(); ++i) {
    results.emplace(at + "block" + std::to_string(i), trace.blocks[i]);
  }
}

/// What the functions for evaluation give.
void add_features(Results& results, const Terrafm& net, const Case& row, const SensorImages& images) {
  const std::string at = row.name + "/";
  const int depth = static_cast<int>(net.config().depth);
  std::vector<int> all(static_cast<std::size_t>(depth));
  std::iota(all.begin(), all.end(), 0);
  const auto outputs = net.block_outputs(images, all);
  const auto maps = net.feature_maps(images, all);
  for (const int i : all) {
    results.emplace(at + "block" + std::to_string(i), outputs[static_cast<std::size_t>(i)]);
    results.emplace(at + "extract_feature_" + std::to_string(i), maps[static_cast<std::size_t>(i)]);
  }
  const auto last_two = net.block_outputs(images, {depth - 2, depth - 1});
  for (std::size_t j = 0; j < last_two.size(); ++j) {
    const std::string number = std::to_string(j);
    const at::Tensor normed = net.normalise(last_two[j]);
    results.emplace(at + "intermediate_n2_" + number, patches_of(last_two[j]));
    results.emplace(at + "intermediate_n2_norm_" + number + "_patch", patches_of(normed));
    results.emplace(at + "intermediate_n2_norm_" + number + "_cls", normed.select(1, 0));
  }
  results.emplace(at + "norm", net.normalise(outputs.back()));
  results.emplace(at + "cls", net.forward(images));
  results.emplace(at + "last_selfattention", net.last_self_attention(images));
}

class TerrafmEncoder : public TerrafmVectors {};

TEST_P(TerrafmEncoder, EveryIntermediateAndFeatureEqualsTheOfficialOne) {
  const Vectors weights = open("encoder_weights"), vectors = open("encoder_io");
  Terrafm net(encoder_config(vectors.config()));
  load(net, weights, "");
  Results results;
  std::vector<std::string> groups;
  for (const Case& row : cases_of(vectors)) {
    const SensorImages images = images_of(row.sensor, vectors.real(row.name + "/input"));
    add_trace(results, net, row, images);
    add_features(results, net, row, images);
    results.emplace(row.name + "/loss", case_loss(net, vectors, row, images));
    groups.push_back(row.name + "/");
  }
  const std::int64_t repeat = vectors.config().at("droppath_repeat").get<std::int64_t>();
  const at::Tensor repeated = vectors.real("l1c_native/input").repeat({repeat, 1, 1, 1});
  results.emplace("droppath/cls",
                  net.forward(images_of("s2_l1c", repeated), vectors.raw("droppath/keep_masks")));
  groups.emplace_back("droppath/");
  compare(vectors, results, groups);
  for (const auto& [name, info] : set_.entry(vectors.name()).at("tensors").items()) {
    EXPECT_TRUE(begins_with_one_of(name, groups)) << name << " belongs to no case";
  }
}

TEST_P(TerrafmEncoder, EveryGradientEqualsTheOfficialOne) {
  const Vectors weights = open("encoder_weights"), inputs = open("encoder_io"),
                vectors = open("encoder_grads");
  Terrafm net(encoder_config(vectors.config()));
  load(net, weights, "");
  Results results;
  at::Tensor total = at::zeros({}, inputs.dtype());
  std::vector<std::pair<std::string, at::Tensor>> leaves;
  for (const Case& row : cases_of(inputs)) {
    leaves.emplace_back(row.name, inputs.real(row.name + "/input").clone().requires_grad_());
    total = total + case_loss(net, inputs, row, images_of(row.sensor, leaves.back().second));
  }
  total.backward();
  results.emplace("total_loss", total);
  for (const auto& [name, leaf] : leaves) {
    results.emplace("grad_input/" + name, leaf.grad());
  }
  add_gradients(results, net, "grad/");
  compare(vectors, results, {""});
}

TEST_P(TerrafmEncoder, DropPathRatesAreTheOfficialFloat32Ones) {
  const Json& config = set_.config("encoder_io.safetensors");
  EXPECT_EQ(model::drop_path_rates(encoder_config(config)),
            config.at("drop_path_rates").get<std::vector<double>>());
}

INSTANTIATE_TEST_SUITE_P(Precision, TerrafmEncoder, testing::Values("float64", "float32"), precision_name);

}  // namespace
}  // namespace terramill::parity
