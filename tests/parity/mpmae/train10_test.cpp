#include "mpmae_vectors.hpp"

#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace terramill::parity {
namespace {

/// lr(e) of the reference's adjust_learning_rate: linear warm-up, then half a cosine.
double learning_rate(const Json& recipe, double epoch) {
  const double peak = recipe.at("lr").get<double>(), least = recipe.at("min_lr").get<double>();
  const double warmup = recipe.at("warmup_epochs").get<double>(), epochs = recipe.at("epochs").get<double>();
  if (epoch < warmup) return peak * epoch / warmup;
  return least +
         (peak - least) * 0.5 * (1 + std::cos(std::numbers::pi * (epoch - warmup) / (epochs - warmup)));
}

/// AdamW as the specification writes it.
class AdamW {
 public:
  AdamW(const model::Mpmae& net, const Json& recipe)
      : beta1_(recipe.at("betas")[0].get<double>()),
        beta2_(recipe.at("betas")[1].get<double>()),
        epsilon_(recipe.at("eps").get<double>()),
        decay_(recipe.at("weight_decay").get<double>()) {
    for (const auto& parameter : net.named_parameters()) {
      const bool decays = model::takes_weight_decay(parameter.key(), parameter.value().dim());
      slots_.push_back(
          {parameter.value(), at::zeros_like(parameter.value()), at::zeros_like(parameter.value()), decays});
    }
  }

  void step(double rate) {
    const torch::NoGradGuard no_gradient;
    ++updates_;
    const double correct1 = 1 - std::pow(beta1_, updates_), correct2 = 1 - std::pow(beta2_, updates_);
    for (Slot& slot : slots_) {
      const at::Tensor& gradient = slot.parameter.grad();
      if (!gradient.defined()) continue;
      if (slot.decays) slot.parameter.mul_(1 - rate * decay_);
      slot.first.mul_(beta1_).add_(gradient, 1 - beta1_);
      slot.second.mul_(beta2_).addcmul_(gradient, gradient, 1 - beta2_);
      slot.parameter.addcdiv_(slot.first, slot.second.sqrt() / std::sqrt(correct2) + epsilon_,
                              -rate / correct1);
      slot.parameter.mutable_grad().reset();
    }
  }

 private:
  struct Slot {
    at::Tensor parameter, first, second;
    bool decays;
  };
  std::vector<Slot> slots_;
  double beta1_, beta2_, epsilon_, decay_;
  int updates_ = 0;
};

at::Tensor gradient_norm(const model::Mpmae& net) {
  std::vector<at::Tensor> norms;
  for (const at::Tensor& parameter : net.parameters()) {
    if (parameter.grad().defined()) norms.push_back(parameter.grad().norm());
  }
  return at::stack(norms).norm();
}

void check_curve(const VectorSet& set, const std::string& file, const std::string& precision) {
  SCOPED_TRACE(file + " in " + precision);
  const Vectors expected(set, file, precision);
  const Json& config = expected.config();
  const Json& recipe = config.at("optimizer");
  const Vectors parameters(set, config.at("parameter_file").get<std::string>(), precision);
  const Vectors batches(set, config.at("batch_file").get<std::string>(), precision);
  const model::MpmaeConfig described = model_config(parameters.config());
  const auto net = load_model(described, parameters);
  AdamW optimiser(*net, recipe);

  const auto frequency = config.at("update_freq").get<int>(),
             per_epoch = recipe.at("iters_per_epoch").get<int>();
  const at::Tensor masks = expected.real("masks");
  std::vector<double> rates;
  std::vector<at::Tensor> totals, losses, norms;
  double rate = 0;
  for (int i = 0; i < config.at("iterations").get<int>(); ++i) {
    if (i % frequency == 0)
      rate = learning_rate(recipe, i / per_epoch + static_cast<double>(i % per_epoch) / per_epoch);
    rates.push_back(rate);
    const auto output =
        net->forward(load_batch(described, batches, "batch" + std::to_string(i % 2), masks[i]));
    (output.total / frequency).backward();
    totals.push_back(output.total.detach());
    losses.push_back(output.losses.detach());
    if ((i + 1) % frequency == 0) {
      norms.push_back(gradient_norm(*net));
      optimiser.step(rate);
    }
  }

  EXPECT_EQ(expected.disagreement("lr", at::tensor(rates, at::kDouble)), "");
  EXPECT_EQ(expected.disagreement("loss", at::stack(totals)), "");
  EXPECT_EQ(expected.disagreement("gnorm", at::stack(norms)), "");
  const at::Tensor table = at::stack(losses);
  for (std::size_t i = 0; i < described.targets.size(); ++i) {
    EXPECT_EQ(expected.disagreement("per." + described.targets[i].name,
                                    table.select(1, static_cast<std::int64_t>(i))),
              "");
  }
  for (const auto& parameter : net->named_parameters()) {
    EXPECT_EQ(expected.disagreement("final." + parameter.key(), parameter.value()), "");
  }
}

TEST(TrainingCurve, TenUpdatesEqualTheReference) {
  at::set_num_threads(1);
  const VectorSet set("mpmae");
  if (!set.available()) GTEST_SKIP() << "no parity vectors in " << set.folder();
  for (const std::string& file : set.files("train10_", "_f64.safetensors")) {
    check_curve(set, file, "float64");
    check_curve(set, file, "float32");
  }
}

}  // namespace
}  // namespace terramill::parity
