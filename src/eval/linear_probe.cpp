#include <terramill/core/activity.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/philox.hpp>
#include <terramill/eval/linear_probe.hpp>
#include <terramill/eval/metrics.hpp>
#include <terramill/train/schedule.hpp>

#include <algorithm>
#include <array>
#include <cmath>

#include <torch/torch.h>

namespace terramill::eval {

namespace {

constexpr double kBatchNormEpsilon = 1e-5, kBatchNormMomentum = 0.1;
constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kAdamEpsilon = 1e-8;

void demand(bool holds, const std::string& option, const std::string& rule) {
  if (!holds) throw UsageError(option + " must be " + rule, {"train a linear probe", option, ""});
}

/// [count] values uniform in (-bound, bound).
at::Tensor uniform(std::int64_t count, double bound, std::uint64_t seed, std::string_view name) {
  PhiloxStream random(seed, Purpose::kInitialisation, xxh3(name));
  at::Tensor values = at::empty({count}, at::kFloat);
  float* out = values.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(random.uniform(-bound, bound));
  return values;
}

/// The order of an epoch's samples.
at::Tensor shuffled(std::int64_t count, std::uint64_t seed, int epoch) {
  std::vector<std::pair<std::uint64_t, std::int64_t>> keys;
  for (std::int64_t i = 0; i < count; ++i) {
    keys.emplace_back(
        philox_key(seed, Purpose::kShuffle, static_cast<std::uint64_t>(epoch), static_cast<std::uint64_t>(i)),
        i);
  }
  std::sort(keys.begin(), keys.end());
  at::Tensor order = at::empty({count}, at::kLong);
  for (std::int64_t i = 0; i < count; ++i) {
    order.mutable_data_ptr<std::int64_t>()[i] = keys[static_cast<std::size_t>(i)].second;
  }
  return order;
}

/// L probes side by side: batch normalisation with weight and bias [L, 1, d] each, linear weights [L, C, d]
/// and biases [L, C]. What normalises a batch is the same for all.
class Probes {
 public:
  Probes(std::int64_t count, std::int64_t classes, std::int64_t width, std::uint64_t seed)
      : mean_(at::zeros({width})), variance_(at::ones({width})) {
    const double bound = 1 / std::sqrt(static_cast<double>(width));
    const at::Tensor weight = uniform(classes * width, bound, seed, "probe.weight").view({1, classes, width});
    const at::Tensor bias = uniform(classes, bound, seed, "probe.bias").view({1, classes});
    parameters_ = {at::ones({count, 1, width}), at::zeros({count, 1, width}), weight.repeat({count, 1, 1}),
                   bias.repeat({count, 1})};
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      first_[i] = at::zeros_like(parameters_[i]);
      second_[i] = at::zeros_like(parameters_[i]);
      parameters_[i].set_requires_grad(true);
    }
  }

  /// Logits [B, L, C] of a training batch [B, d], B > 1.
  at::Tensor train_forward(const at::Tensor& batch) {
    const at::Tensor mean = batch.mean(0), variance = batch.var(0, false);
    const double unbiased = static_cast<double>(batch.size(0)) / static_cast<double>(batch.size(0) - 1);
    mean_.lerp_(mean, kBatchNormMomentum);
    variance_.lerp_(variance * unbiased, kBatchNormMomentum);
    return logits((batch - mean) * (variance + kBatchNormEpsilon).rsqrt());
  }
  /// Logits [B, L, C] with the running statistics.
  at::Tensor forward(const at::Tensor& batch) const {
    return logits((batch - mean_) * (variance_ + kBatchNormEpsilon).rsqrt());
  }

  /// One AdamW update; `rates` [L].
  void step(const at::Tensor& loss, const at::Tensor& rates, double weight_decay) {
    const auto gradients = torch::autograd::grad({loss}, {parameters_.begin(), parameters_.end()});
    const torch::NoGradGuard no_grad;
    ++steps_;
    const double correction = 1 - std::pow(kBeta1, steps_), root = std::sqrt(1 - std::pow(kBeta2, steps_));
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      const at::Tensor& parameter = parameters_[i];
      std::vector<std::int64_t> shape(static_cast<std::size_t>(parameter.dim()), 1);
      shape[0] = rates.size(0);
      const at::Tensor rate = rates.view(shape);
      first_[i].lerp_(gradients[i], 1 - kBeta1);
      second_[i].mul_(kBeta2).addcmul_(gradients[i], gradients[i], 1 - kBeta2);
      parameter.mul_(1 - rate * weight_decay);
      parameter.sub_(rate / correction * first_[i] / (second_[i].sqrt() / root + kAdamEpsilon));
    }
  }

 private:
  at::Tensor logits(const at::Tensor& normalised) const {
    const auto& [scale, shift, weight, bias] = parameters_;
    const at::Tensor effective = (weight * scale).flatten(0, 1);           // [L C, d]
    const at::Tensor offset = ((weight * shift).sum(2) + bias).flatten();  // [L C]
    return at::addmm(offset, normalised, effective.t())
        .view({normalised.size(0), weight.size(0), weight.size(1)});
  }

  at::Tensor mean_, variance_;
  std::array<at::Tensor, 4> parameters_, first_, second_;
  std::int64_t steps_ = 0;
};

/// Weight of each class in the loss, [C].
at::Tensor class_weights(const at::Tensor& membership, const std::string& rule) {
  if (rule == "none") return at::ones({membership.size(1)});
  const at::Tensor counts = membership.sum(0);
  const double share = static_cast<double>(membership.size(0)) / static_cast<double>(membership.size(1));
  return at::where(counts > 0, share / counts, 0.0).to(at::kFloat);
}

/// Sum over probes of each one's mean loss; logits [B, L, C], truth [B, C].
at::Tensor loss_of(const at::Tensor& logits, const at::Tensor& truth, const at::Tensor& weights,
                   bool multi_label) {
  if (multi_label) {
    const at::Tensor wanted = truth.unsqueeze(1);
    const at::Tensor terms = wanted * at::log_sigmoid(logits) + (1 - wanted) * at::log_sigmoid(-logits);
    return -(terms * weights).mean(2).mean(0).sum();
  }
  const at::Tensor weighted = truth * weights;  // [B, C]
  return -(at::log_softmax(logits, 2) * weighted.unsqueeze(1)).sum() / weighted.sum().clamp_min(1e-30);
}

/// Accuracy or micro F1; -1 for a probe that diverged.
double quality(const at::Tensor& logits, const at::Tensor& membership, bool multi_label) {
  if (!logits.isfinite().all().item<bool>()) return -1;
  if (multi_label) return metrics(multi_label_answers(logits, membership, 0)).front();
  return metrics(single_label_answers(logits, membership)).front();
}

}  // namespace

std::vector<double> probe_learning_rates() {
  return {1e-4, 3e-4, 5e-4, 8e-4, 1e-3, 3e-3, 5e-3, 8e-3, 1e-2, 3e-2, 5e-2, 8e-2, 1e-1, 3e-1, 5e-1, 8e-1};
}

ProbeResult linear_probe(const ProbeSamples& training, const ProbeSamples& validation,
                         const at::Tensor& queries, bool multi_label, const ProbeOptions& options,
                         std::uint64_t seed) {
  demand(options.epochs >= 1, "epochs", "at least 1");
  demand(options.batch_size >= 2, "probe-batch-size", "at least 2");
  demand(options.warmup_share >= 0 && options.warmup_share < 1, "warmup", "from 0 to below 1");
  demand(options.class_weights == "none" || options.class_weights == "balanced", "class-weights",
         "none or balanced");
  demand(!options.learning_rates.empty(), "learning rates", "at least one");
  demand(validation.features.size(0) > 0, "validation-share", "such that validation tiles are left");
  demand(training.features.size(0) > 1, "test-share", "such that two training tiles are left");

  const at::Tensor features = training.features.to(at::kFloat).contiguous();
  const at::Tensor truth = training.membership.to(at::kFloat).contiguous();
  const auto count = static_cast<std::int64_t>(options.learning_rates.size());
  Probes probes(count, truth.size(1), features.size(1), seed);
  const at::Tensor weights = class_weights(training.membership, options.class_weights);

  const std::int64_t samples = features.size(0), batch_size = options.batch_size;
  std::vector<train::CosineSchedule> schedules;
  for (const double peak : options.learning_rates) {
    schedules.push_back(
        {peak, options.min_lr, options.warmup_share * options.epochs, static_cast<double>(options.epochs)});
  }
  std::vector<float> rates(schedules.size());
  for (int epoch = 0; epoch < options.epochs; ++epoch) {
    beat();
    const at::Tensor order = shuffled(samples, seed, epoch);
    for (std::int64_t begin = 0; begin + 1 < samples; begin += batch_size) {  // never a batch of one
      const at::Tensor chosen = order.slice(0, begin, std::min(samples, begin + batch_size));
      const double time = epoch + static_cast<double>(begin) / static_cast<double>(samples);
      for (std::size_t i = 0; i < rates.size(); ++i) rates[i] = static_cast<float>(schedules[i].at(time));
      const at::Tensor logits = probes.train_forward(features.index_select(0, chosen));
      probes.step(loss_of(logits, truth.index_select(0, chosen), weights, multi_label), at::tensor(rates),
                  options.weight_decay);
    }
  }

  const torch::NoGradGuard no_grad;
  const at::Tensor checked = probes.forward(validation.features.to(at::kFloat)).to(at::kDouble);
  ProbeResult result;
  for (std::int64_t l = 0; l < count; ++l) {
    result.validation.push_back(quality(checked.select(1, l), validation.membership, multi_label));
  }
  const auto best = std::max_element(result.validation.begin(), result.validation.end());
  if (*best < 0 || std::isnan(*best)) {
    throw Error("no learning rate gives finite logits, or no class occurs in the validation tiles",
                {"train a linear probe", "", "look at the features"});
  }
  const auto chosen = best - result.validation.begin();
  result.learning_rate = options.learning_rates[static_cast<std::size_t>(chosen)];
  result.scores = probes.forward(queries.to(at::kFloat)).to(at::kDouble).select(1, chosen).contiguous();
  return result;
}

}  // namespace terramill::eval
