#include <terramill/core/error.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/philox.hpp>
#include <terramill/eval/linear_probe.hpp>
#include <terramill/eval/metrics.hpp>
#include <terramill/train/knn.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::eval {
namespace {

constexpr std::int64_t kWidth = 6, kClasses = 3;

struct Samples {
  at::Tensor features, labels, membership;
};

/// Clouds of unit variance around one centre per class; far apart in scale and place, as features may be.
Samples clouds(std::int64_t count, double distance, std::uint64_t seed) {
  PhiloxStream random(seed, Purpose::kTest);
  Samples samples{at::empty({count, kWidth}, at::kDouble), at::empty({count}, at::kLong), {}};
  for (std::int64_t i = 0; i < count; ++i) {
    const auto label = static_cast<std::int64_t>(random.below(kClasses));
    samples.labels[i] = label;
    for (std::int64_t j = 0; j < kWidth; ++j) {
      samples.features[i][j] = 100 + 10 * (random.normal() + (j == label ? distance : 0));
    }
  }
  samples.membership = train::membership_of(samples.labels, kClasses);
  return samples;
}

double accuracy(const ProbeResult& result, const Samples& test) {
  return metrics(single_label_answers(result.scores, test.membership)).front();
}

ProbeResult probe(const Samples& training, const Samples& validation, const Samples& test,
                  const ProbeOptions& options = {}, std::uint64_t seed = 0) {
  return linear_probe({training.features, training.membership}, {validation.features, validation.membership},
                      test.features, false, options, seed);
}

class LinearProbe : public testing::Test {
 protected:
  void SetUp() override { at::set_num_threads(1); }
};

TEST_F(LinearProbe, SeparatesWhatIsLinearlySeparable) {
  const Samples test = clouds(200, 12, 3);
  const ProbeResult result = probe(clouds(300, 12, 1), clouds(60, 12, 2), test);
  EXPECT_EQ(accuracy(result, test), 1);
  EXPECT_EQ(result.validation.size(), 16u);
}

TEST_F(LinearProbe, ChoosesTheLearningRateOnValidationAndTheLowerOfEqualOnes) {
  const Samples training = clouds(200, 2, 1), validation = clouds(100, 2, 2), test = clouds(200, 2, 3);
  const ProbeResult result = probe(training, validation, test);
  const auto best = std::max_element(result.validation.begin(), result.validation.end());
  const auto chosen = static_cast<std::size_t>(best - result.validation.begin());
  EXPECT_EQ(result.learning_rate, probe_learning_rates()[chosen]);
  EXPECT_GT(accuracy(result, test), 0.7);
}

TEST_F(LinearProbe, EachLearningRateTrainsAsIfAlone) {
  const Samples training = clouds(120, 2, 1), validation = clouds(50, 2, 2), test = clouds(80, 2, 3);
  ProbeOptions options;
  options.epochs = 5;
  const ProbeResult together = probe(training, validation, test, options);
  for (const std::size_t i : {std::size_t{0}, std::size_t{7}, std::size_t{15}}) {
    ProbeOptions one = options;
    one.learning_rates = {options.learning_rates[i]};
    const ProbeResult alone = probe(training, validation, test, one);
    EXPECT_NEAR(alone.validation.front(), together.validation[i], 0.021) << "rate " << i;
    if (together.learning_rate == options.learning_rates[i]) {
      EXPECT_TRUE(at::allclose(alone.scores, together.scores, 1e-3, 1e-3));
    }
  }
}

TEST_F(LinearProbe, EqualsBatchNormAndLinearOfLibTorchWithItsAdamW) {
  const Samples training = clouds(60, 2, 1), validation = clouds(20, 2, 2), test = clouds(30, 2, 3);
  ProbeOptions options;
  options.epochs = 1;
  options.batch_size = 60;
  options.warmup_share = 0;
  options.learning_rates = {0.05};
  const ProbeResult got = probe(training, validation, test, options);

  torch::nn::BatchNorm1d norm(kWidth);
  torch::nn::Linear linear(kWidth, kClasses);
  {
    const torch::NoGradGuard no_grad;
    const double bound = 1 / std::sqrt(static_cast<double>(kWidth));
    PhiloxStream weights(0, Purpose::kInitialisation, xxh3("probe.weight"));
    for (std::int64_t c = 0; c < kClasses; ++c) {
      for (std::int64_t j = 0; j < kWidth; ++j) linear->weight[c][j] = weights.uniform(-bound, bound);
    }
    PhiloxStream biases(0, Purpose::kInitialisation, xxh3("probe.bias"));
    for (std::int64_t c = 0; c < kClasses; ++c) linear->bias[c] = biases.uniform(-bound, bound);
  }
  std::vector<at::Tensor> parameters = norm->parameters();
  for (const at::Tensor& parameter : linear->parameters()) parameters.push_back(parameter);
  torch::optim::AdamW optimiser(parameters, torch::optim::AdamWOptions(0.05).weight_decay(0.01));
  const at::Tensor logits = linear(norm(training.features.to(at::kFloat)));
  torch::nn::functional::cross_entropy(logits, training.labels).backward();
  optimiser.step();
  norm->eval();
  const torch::NoGradGuard no_grad;
  const at::Tensor expected = linear(norm(test.features.to(at::kFloat))).to(at::kDouble);
  EXPECT_TRUE(at::allclose(got.scores, expected, 1e-3, 1e-3));
}

TEST_F(LinearProbe, BalancedWeightsRaiseARareClass) {
  Samples training = clouds(400, 1.5, 1);
  const at::Tensor rare = (training.labels != 2).logical_or(at::arange(400) % 10 == 0).nonzero().squeeze(1);
  training = {training.features.index_select(0, rare), training.labels.index_select(0, rare),
              training.membership.index_select(0, rare)};
  const Samples validation = clouds(100, 1.5, 2), test = clouds(400, 1.5, 3);
  ProbeOptions options;
  options.learning_rates = {1e-2};
  const auto predicted = [&](const ProbeResult& result) {
    return (result.scores.argmax(1) == 2).sum().item<std::int64_t>();
  };
  const std::int64_t plain = predicted(probe(training, validation, test, options));
  options.class_weights = "balanced";
  EXPECT_GT(predicted(probe(training, validation, test, options)), plain);
}

TEST_F(LinearProbe, TellsSeveralLabelsApart) {
  PhiloxStream random(4, Purpose::kTest);
  const auto draw = [&](std::int64_t count) {
    ProbeSamples samples{at::empty({count, kWidth}, at::kDouble), at::zeros({count, 2}, at::kDouble)};
    for (std::int64_t i = 0; i < count; ++i) {
      for (std::int64_t j = 0; j < kWidth; ++j) samples.features[i][j] = random.normal();
      for (std::int64_t c = 0; c < 2; ++c) {
        samples.membership[i][c] = samples.features[i][c].item<double>() > 0 ? 1 : 0;
      }
    }
    return samples;
  };
  const ProbeSamples training = draw(300), validation = draw(60), test = draw(100);
  const ProbeResult result = linear_probe(training, validation, test.features, true, {}, 0);
  const auto values = metrics(multi_label_answers(result.scores, test.membership, 0));
  EXPECT_GT(values[0], 0.93);
  EXPECT_GT(values[2], 0.97);
}

TEST_F(LinearProbe, RepeatsItsBitsAndVariesWithTheSeed) {
  const Samples training = clouds(100, 2, 1), validation = clouds(40, 2, 2), test = clouds(50, 2, 3);
  ProbeOptions options;
  options.epochs = 3;
  const at::Tensor first = probe(training, validation, test, options, 1).scores;
  EXPECT_TRUE(at::equal(first, probe(training, validation, test, options, 1).scores));
  EXPECT_FALSE(at::equal(first, probe(training, validation, test, options, 2).scores));
}

TEST_F(LinearProbe, RefusesWhatCannotBe) {
  const Samples samples = clouds(10, 2, 1), none = clouds(0, 2, 1);
  EXPECT_THROW(probe(samples, none, samples), UsageError);
  ProbeOptions options;
  options.batch_size = 1;
  EXPECT_THROW(probe(samples, samples, samples, options), UsageError);
}

}  // namespace
}  // namespace terramill::eval
