#include "parallel/adamw_kernel.hpp"

#include "parallel/gradient_layout.hpp"
#include "parallel/square_sum.hpp"

#include <terramill/core/philox.hpp>

#include <cmath>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::parallel {
namespace {

AdamWFactors factors_at(int t) {
  const double lr = 2e-3, beta1 = 0.9, beta2 = 0.95;
  return {
      1 - lr * 0.05, beta1, beta2, 1e-8, lr / (1 - std::pow(beta1, t)), std::sqrt(1 - std::pow(beta2, t))};
}

std::vector<double> normals(std::size_t count, std::uint64_t number) {
  PhiloxStream stream(1, Purpose::kTest, number);
  std::vector<double> values(count);
  for (double& value : values) value = stream.normal();
  return values;
}

TEST(AdamWKernel, AgreesWithLibTorch) {
  constexpr std::int64_t kCount = 1003;
  constexpr int kSteps = 5;
  const auto start = normals(kCount, 0);
  std::vector<double> p = start, m(kCount, 0), v(kCount, 0);
  torch::Tensor theirs = torch::tensor(start, torch::kDouble).requires_grad_();
  torch::optim::AdamW optimiser(
      {theirs}, torch::optim::AdamWOptions(2e-3).betas({0.9, 0.95}).eps(1e-8).weight_decay(0.05));
  for (int t = 1; t <= kSteps; ++t) {
    const auto gradient = normals(kCount, static_cast<std::uint64_t>(t));
    adamw_update(p.data(), m.data(), v.data(), gradient.data(), kCount, factors_at(t));
    theirs.mutable_grad() = torch::tensor(gradient, torch::kDouble);
    optimiser.step();
  }
  for (std::int64_t i = 0; i < kCount; ++i) {
    EXPECT_NEAR(p[static_cast<std::size_t>(i)], theirs[i].item<double>(), 1e-13);
  }
}

TEST(AdamWKernel, TheBitsOfAnElementDoNotDependOnItsNeighbours) {
  constexpr std::int64_t kCount = 77;
  std::vector<float> p, m(kCount, 0), v(kCount, 0), g;
  for (const double x : normals(kCount, 7)) p.push_back(static_cast<float>(x));
  for (const double x : normals(kCount, 8)) g.push_back(static_cast<float>(x));
  auto p1 = p, m1 = m, v1 = v;
  adamw_update(p.data(), m.data(), v.data(), g.data(), kCount, factors_at(1));
  for (std::size_t i = 0; i < kCount; ++i) adamw_update(&p1[i], &m1[i], &v1[i], &g[i], 1, factors_at(1));
  EXPECT_EQ(p, p1);
  EXPECT_EQ(m, m1);
  EXPECT_EQ(v, v1);
}

TEST(SquareSum, DoesNotDependOnThreads) {
  const torch::Tensor values = torch::tensor(normals(100'000, 9), torch::kFloat);
  at::set_num_threads(1);
  const auto sums = [&] {
    std::vector<double> result((100'000 + kBlock - 1) / kBlock);
    block_square_sums(values, result.data());
    return result;
  };
  const auto one = sums();
  at::set_num_threads(3);
  EXPECT_EQ(sums(), one);
  at::set_num_threads(1);
  EXPECT_NEAR(std::accumulate(one.begin(), one.end(), 0.0),
              values.to(torch::kDouble).square().sum().item<double>(), 1e-6);
  EXPECT_NEAR(one[1], values.narrow(0, kBlock, kBlock).to(torch::kDouble).square().sum().item<double>(),
              1e-6);
}

}  // namespace
}  // namespace terramill::parallel
