#pragma once

#include <terramill/core/philox.hpp>
#include <terramill/parallel/gradient_buffer.hpp>

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <torch/torch.h>

namespace terramill::testing {

/// Some parameters in two groups, one larger than several shares of a bucket, whose gradients are known: of a
/// loss that is their inner product with drawn numbers of widely mixed magnitudes, so that every order of
/// summation gives other bits.
class InventedGradients {
 public:
  static constexpr std::size_t kNever = 1;      ///< the parameter that no micro-batch uses
  static constexpr std::size_t kSometimes = 3;  ///< the one that only micro-batch 2 uses

  explicit InventedGradients(at::ScalarType type = at::kFloat) {
    const std::vector<std::pair<std::string, std::vector<std::int64_t>>> shapes{
        {"p0", {7, 3}}, {"p1", {5}}, {"p2", {}}, {"p3", {4, 2, 2}}, {"p4", {9001}}, {"p5", {1, 9}}};
    for (const auto& [name, shape] : shapes) {
      parameters.emplace_back(name, torch::zeros(shape, type).requires_grad_());
    }
  }

  std::vector<parallel::ParameterGroup> groups() const {
    return {{{parameters.begin(), parameters.begin() + 4}, true, 1.0},
            {{parameters.begin() + 4, parameters.end()}, false, 0.5}};
  }

  static bool uses(std::size_t parameter, int micro_batch) {
    return parameter != kNever && (parameter != kSometimes || micro_batch == 2);
  }

  /// The gradient of parameter i in micro-batch m; zeros where it is not used.
  at::Tensor gradient(std::size_t i, int m) const {
    const at::Tensor& parameter = parameters[i].second;
    at::Tensor values = torch::zeros(parameter.sizes(), at::kDouble);
    if (uses(i, m)) {
      PhiloxStream stream(3, Purpose::kTest, i, static_cast<std::uint64_t>(m));
      double* const data = values.data_ptr<double>();
      for (std::int64_t k = 0; k < values.numel(); ++k)
        data[k] = stream.normal() * std::pow(10.0, stream.uniform(-4, 4));
    }
    return values.to(parameter.scalar_type());
  }

  void backward(int m) const {
    at::Tensor loss = torch::zeros({}, parameters[0].second.scalar_type());
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      if (uses(i, m)) loss = loss + (parameters[i].second * gradient(i, m)).sum();
    }
    loss.backward();
  }

  void run_step(parallel::GradientBuffer& buffer, const parallel::Mesh& mesh, int micro_batches) const {
    buffer.begin_step(micro_batches);
    const auto range = mesh.micro_batches(micro_batches);
    for (int m = range.begin; m < range.end; ++m) {
      buffer.begin_micro_batch(m);
      backward(m);
      buffer.end_micro_batch();
    }
    buffer.finish_step();
  }

  /// The mean as the tree's definition says, by one process.
  at::Tensor tree_mean(std::size_t i, int micro_batches) const {
    int level = 0;
    while ((1 << level) < micro_batches) ++level;
    return node(i, level, 0, micro_batches).mul_(1.0 / micro_batches);
  }

  std::vector<parallel::NamedTensor> parameters;

 private:
  at::Tensor node(std::size_t i, int level, int index, int count) const {
    if (level == 0) return gradient(i, index);
    at::Tensor left = node(i, level - 1, 2 * index, count);
    const int right = (2 * index + 1) << (level - 1);
    return right < count ? left + node(i, level - 1, 2 * index + 1, count) : left;
  }
};

}  // namespace terramill::testing
