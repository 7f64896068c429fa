#include "mpmae_vectors.hpp"

#include <map>
#include <string>

#include <gtest/gtest.h>

namespace terramill::parity {
namespace {

using Results = std::map<std::string, at::Tensor>;

/// Everything that a vector file of this form may hold, under the file's names.
Results run(const model::Mpmae& net, const model::MpmaeBatch& batch) {
  Results results;
  model::EncoderTrace trace;
  results["encoder_out"] = net.encode(batch.input, batch.mask, &trace);
  for (std::size_t i = 0; i < trace.stages.size(); ++i) {
    results["own.stage" + std::to_string(i)] = trace.stages[i];
    results["own.active" + std::to_string(i)] = trace.active[i];
  }

  const model::MpmaeOutput output = net.forward(batch, /*with_predictions=*/true);
  results["loss"] = output.total;
  results["weighted_losses"] = output.weighted;
  for (std::size_t i = 0; i < output.predictions.size(); ++i) {
    const std::string& name = net.config().targets[i].name;
    const at::Tensor& prediction = output.predictions[i];
    results["loss." + name] = output.losses[static_cast<std::int64_t>(i)];
    results["pred." + name] = prediction;
    results["pred_sample0." + name] = prediction[0];
    results["pred_sum." + name] = prediction.sum();
    results["pred_l2." + name] = prediction.norm();
  }

  output.total.backward();
  for (const auto& parameter : net.named_parameters()) {
    const at::Tensor& gradient = parameter.value().grad();
    results["grad." + parameter.key()] = gradient.defined() ? gradient : at::zeros_like(parameter.value());
  }
  return results;
}

/// Compares every stored result of `vectors`; a tensor that nothing here computes is a failure.
void compare(const Vectors& vectors, Results& results) {
  const Json& tensors = vectors.set().entry(vectors.name()).at("tensors");
  for (const auto& [name, info] : tensors.items()) {
    if (info.at("role") == "input" || info.at("role") == "parameter") continue;
    if (name == "grad_norms") {
      std::vector<at::Tensor> norms;
      for (const Json& parameter : vectors.config().at("parameter_order")) {
        norms.push_back(results.at("grad." + parameter.get<std::string>()).norm());
      }
      results[name] = at::stack(norms);
    }
    ASSERT_TRUE(results.contains(name)) << vectors.name() << " holds " << name;
    EXPECT_EQ(vectors.disagreement(name, results.at(name)), "");
  }
}

void check_file(const VectorSet& set, const std::string& file, const std::string& precision) {
  SCOPED_TRACE(file + " in " + precision);
  const Vectors expected(set, file, precision);
  const Vectors inputs(set, expected.config().value("parameter_file", file), precision);
  const model::MpmaeConfig config = model_config(expected.config());
  const auto net = load_model(config, inputs);
  if (expected.config().contains("parameter_order")) {
    EXPECT_EQ(parameter_names(*net), expected.config().at("parameter_order").get<std::vector<std::string>>());
  }
  Results results = run(*net, load_batch(config, inputs, "batch", inputs.real("mask")));
  compare(expected, results);
}

class Fcmae : public testing::Test {
 protected:
  void SetUp() override {
    at::set_num_threads(1);
    if (!set_.available()) GTEST_SKIP() << "no parity vectors in " << set_.folder();
  }
  VectorSet set_{"mpmae"};
};

TEST_F(Fcmae, Float64RunEqualsTheReference) {
  const auto files = set_.files("fcmae_", "_f64.safetensors");
  EXPECT_FALSE(files.empty());
  for (const std::string& file : files) check_file(set_, file, "float64");
}

TEST_F(Fcmae, Float32RunEqualsTheReferencesFloat64) {
  for (const std::string& file : set_.files("fcmae_", "_f64.safetensors")) check_file(set_, file, "float32");
}

TEST_F(Fcmae, Float32RunEqualsTheReferencesFloat32) {
  for (const std::string& file : set_.files("fcmae_", "_f32.safetensors")) check_file(set_, file, "float32");
}

}  // namespace
}  // namespace terramill::parity
