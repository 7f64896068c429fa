#include "adamw_kernel.hpp"

#include <terramill/parallel/adamw.hpp>

#include <cmath>
#include <cstdint>

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>

namespace terramill::parallel {

namespace {

using at::Tensor;

constexpr std::int64_t kGrain = 1 << 15;  // elements worth a thread

template <typename T>
void update(const Tensor& parameter, const Tensor& m, const Tensor& v, const Tensor& gradient,
            const AdamWFactors& factors) {
  T* const p = parameter.mutable_data_ptr<T>();
  T* const first = m.mutable_data_ptr<T>();
  T* const second = v.mutable_data_ptr<T>();
  const T* const g = gradient.const_data_ptr<T>();
  at::parallel_for(0, parameter.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    adamw_update<T>(p + begin, first + begin, second + begin, g + begin, end - begin, factors);
  });
}

/// For GPUs and for parameters that are not contiguous or of another type than their moments.
void update_by_tensors(const Tensor& parameter, const Tensor& m, const Tensor& v, const Tensor& gradient,
                       const AdamWFactors& factors) {
  m.mul_(factors.beta1).add_(gradient, 1 - factors.beta1);
  v.mul_(factors.beta2).addcmul_(gradient, gradient, 1 - factors.beta2);
  const Tensor denominator = v.sqrt().div_(factors.root).add_(factors.epsilon);
  parameter.mul_(factors.decay);
  if (parameter.scalar_type() == m.scalar_type()) {
    parameter.addcdiv_(m, denominator, -factors.step);
  } else {
    parameter.sub_(m.div(denominator).mul_(factors.step));
  }
}

}  // namespace

AdamW::AdamW(const GradientBuffer& gradients, AdamWOptions options)
    : gradients_(gradients), options_(options) {
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    const Tensor& parameter = gradients.parameter(i).second;
    const auto type = parameter.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    const auto like = at::device(parameter.device()).dtype(type);
    moments_.push_back(
        {at::zeros(parameter.sizes(), like), at::zeros(parameter.sizes(), like), at::zeros({1}, at::kLong)});
  }
}

void AdamW::step(double lr, double weight_decay) {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < gradients_.size(); ++i) {
    if (!gradients_.used(i)) continue;
    const ParameterGroup& group = gradients_.groups()[gradients_.group_of(i)];
    const auto& [m, v, count] = moments_[i];
    const auto t = static_cast<double>(++*count.mutable_data_ptr<std::int64_t>());
    const double rate = lr * group.lr_scale;
    const AdamWFactors factors{1 - (group.decay ? rate * weight_decay : 0),
                               options_.beta1,
                               options_.beta2,
                               options_.epsilon,
                               rate / (1 - std::pow(options_.beta1, t)),
                               std::sqrt(1 - std::pow(options_.beta2, t))};
    const Tensor& parameter = gradients_.parameter(i).second;
    const Tensor gradient = gradients_.gradient(i);
    if (!parameter.device().is_cpu() || !parameter.is_contiguous() ||
        parameter.scalar_type() != m.scalar_type()) {
      update_by_tensors(parameter, m, v, gradient, factors);
    } else if (m.scalar_type() == at::kDouble) {
      update<double>(parameter, m, v, gradient, factors);
    } else {
      update<float>(parameter, m, v, gradient, factors);
    }
  }
}

std::vector<NamedTensor> AdamW::state() const {
  std::vector<NamedTensor> state;
  for (std::size_t i = 0; i < moments_.size(); ++i) {
    const std::string& name = gradients_.parameter(i).first;
    state.emplace_back("adam.m." + name, moments_[i].m);
    state.emplace_back("adam.v." + name, moments_[i].v);
    state.emplace_back("adam.step." + name, moments_[i].step);
  }
  return state;
}

}  // namespace terramill::parallel
