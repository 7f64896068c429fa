#include "small_model.hpp"

#include <terramill/core/error.hpp>
#include <terramill/model/dino.hpp>

#include <cmath>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::model {
namespace {

TEST(DinoHead, PrototypesLengthIsItsGainAndFrozenAtOneByDefault) {
  for (const bool frozen : {true, false}) {
    DinoHead head({6, 10, 4, 30, frozen});
    head.to(at::kDouble);
    head.initialise(2);
    const auto parameters = head.named_parameters();
    EXPECT_EQ(parameters["last_layer.weight_g"].requires_grad(), !frozen);
    const at::Tensor x = normal({5, 6}, 1);
    const at::Tensor before = head.forward(x);
    EXPECT_LE(before.abs().max().item<double>(), 1 + 1e-12);  // cosines
    const torch::NoGradGuard no_gradient;
    parameters["last_layer.weight_v"].mul_(3);
    EXPECT_TRUE(at::allclose(head.forward(x), before));
    parameters["last_layer.weight_g"].mul_(2);
    EXPECT_TRUE(at::allclose(head.forward(x), 2 * before));
  }
}

TEST(DinoHead, BeginsWithTheOfficialSpread) {
  DinoHead head({64, 128, 16, 500});
  head.initialise(5, "head.");
  const auto parameters = head.named_parameters();
  EXPECT_NEAR(parameters["mlp.2.weight"].std().item<double>(), 0.02, 0.001);
  EXPECT_EQ(parameters["mlp.4.bias"].abs().max().item<double>(), 0);
  EXPECT_TRUE(at::equal(parameters["last_layer.weight_g"], at::ones({500, 1})));
  const double largest = parameters["last_layer.weight_v"].abs().max().item<double>();
  EXPECT_LE(largest, 0.25);
  EXPECT_GT(largest, 0.24);
}

TEST(DinoHead, ZeroFeatureHasFiniteGradient) {
  DinoHead head({6, 10, 4, 30});
  head.initialise(2);
  head.forward(at::zeros({2, 6})).sum().backward();
  for (const auto& parameter : head.parameters()) {
    const at::Tensor& gradient = parameter.grad();
    EXPECT_TRUE(!gradient.defined() || gradient.isfinite().all().item<bool>());
  }
}

TEST(DinoLoss, IsTheMeanCrossEntropyOfEveryPairOfDifferentViews) {
  constexpr std::int64_t kBatch = 3, kViews = 4, kOut = 7;
  const at::Tensor student = normal({kViews * kBatch, kOut}, 1).requires_grad_();
  const at::Tensor teacher = normal({2 * kBatch, kOut}, 2).requires_grad_();
  const at::Tensor shift = normal({1, kOut}, 3);
  const at::Tensor loss = dino_loss(student, teacher, shift, 0.1, 0.05);
  at::Tensor sum = at::zeros({}, at::kDouble);
  int pairs = 0;
  for (std::int64_t i = 0; i < 2; ++i) {
    for (std::int64_t v = 0; v < kViews; ++v) {
      if (v == i) continue;
      const at::Tensor target = ((teacher.narrow(0, i * kBatch, kBatch) - shift) / 0.05).softmax(1);
      sum = sum - (target * (student.narrow(0, v * kBatch, kBatch) / 0.1).log_softmax(1)).sum(1).mean();
      ++pairs;
    }
  }
  EXPECT_NEAR(loss.item<double>(), (sum / pairs).item<double>(), 1e-12);
  loss.backward();
  EXPECT_TRUE(student.grad().defined());
  EXPECT_FALSE(teacher.grad().defined());
  EXPECT_THROW(dino_loss(student.narrow(0, 0, 3), teacher, shift, 0.1, 0.05), UsageError);
  EXPECT_THROW(dino_loss(student.narrow(0, 0, 10), teacher, shift, 0.1, 0.05), UsageError);
}

TEST(Centres, CountBothViewsOfTheFrequentSamples) {
  const at::Tensor teacher = normal({6, 5}, 1);
  const CentreSums sums = centre_sums(teacher, at::tensor({1, 0, 1}, at::kInt).to(at::kBool));
  EXPECT_TRUE(at::allclose(sums.all, teacher.sum(0)));
  EXPECT_TRUE(at::allclose(sums.high, teacher[0] + teacher[2] + teacher[3] + teacher[5]));
  EXPECT_EQ(sums.count, 6);
  EXPECT_EQ(sums.high_count, 4);
}

TEST(Centres, StayWhereTheyAreWithoutSamples) {
  const at::Tensor centre = normal({1, 5}, 1), sum = normal({5}, 2);
  EXPECT_TRUE(at::equal(next_centre(centre, at::zeros({5}, at::kDouble), 0, 0.9), centre));
  EXPECT_TRUE(at::allclose(next_centre(centre, sum, 4, 0.9), 0.9 * centre + 0.1 * sum / 4));
}

}  // namespace
}  // namespace terramill::model
