#include "adamw_kernel.hpp"
#include "parameter_gather.hpp"

#include <terramill/core/error.hpp>
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
  if (gradients.sharded()) gather_ = std::make_unique<ParameterGather>(gradients);
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    number_of_[gradients.parameter(i).second.unsafeGetTensorImpl()] = i;
    steps_.push_back(at::zeros({1}, at::kLong));
  }
  for (const OwnedRange& range : gradients.owned()) {
    const Tensor& parameter = gradients.parameter(range.parameter).second;
    const auto like = at::device(parameter.device())
                          .dtype(parameter.scalar_type() == at::kDouble ? at::kDouble : at::kFloat);
    const std::int64_t count = range.end - range.begin;
    moments_.push_back({range.parameter, range.begin, at::zeros({count}, like), at::zeros({count}, like)});
  }
}

AdamW::~AdamW() = default;

void AdamW::step(double lr, double weight_decay) {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    if (gradients_.used(i)) ++*steps_[i].mutable_data_ptr<std::int64_t>();
  }
  for (const MomentRange& range : moments_) {
    const std::size_t i = range.parameter;
    if (!gradients_.used(i)) continue;
    const ParameterGroup& group = gradients_.groups()[gradients_.group_of(i)];
    const auto t = static_cast<double>(*steps_[i].const_data_ptr<std::int64_t>());
    const double rate = lr * group.lr_scale;
    const AdamWFactors factors{1 - (group.decay ? rate * weight_decay : 0),
                               options_.beta1,
                               options_.beta2,
                               options_.epsilon,
                               rate / (1 - std::pow(options_.beta1, t)),
                               std::sqrt(1 - std::pow(options_.beta2, t))};
    const Tensor& parameter = gradients_.parameter(i).second;
    const std::int64_t count = range.m.numel();
    const Tensor gradient = gradients_.gradient(OwnedRange{i, range.begin, range.begin + count});
    if (!parameter.is_contiguous()) {
      update_by_tensors(parameter, range.m.view(parameter.sizes()), range.v.view(parameter.sizes()),
                        gradient.view(parameter.sizes()), factors);
      continue;
    }
    const Tensor values = parameter.view({-1}).narrow(0, range.begin, count);
    if (!parameter.device().is_cpu() || parameter.scalar_type() != range.m.scalar_type()) {
      update_by_tensors(values, range.m, range.v, gradient, factors);
    } else if (range.m.scalar_type() == at::kDouble) {
      update<double>(values, range.m, range.v, gradient, factors);
    } else {
      update<float>(values, range.m, range.v, gradient, factors);
    }
  }
  if (gather_) gather_->launch();
}

void AdamW::wait_for(const Tensor& parameter) {
  if (!gather_) return;
  const auto found = number_of_.find(parameter.unsafeGetTensorImpl());
  if (found != number_of_.end()) gather_->wait(found->second);
}

void AdamW::wait_for_all() {
  for (std::size_t i = 0; gather_ && i < steps_.size(); ++i) gather_->wait(i);
}

double AdamW::exposed_seconds() const { return gather_ ? gather_->waited() : 0; }

std::vector<NamedTensor> AdamW::state() const {
  std::vector<NamedTensor> state;
  for (const MomentRange& range : moments_) {
    const auto& [name, parameter] = gradients_.parameter(range.parameter);
    if (range.m.numel() != parameter.numel() || moments_.size() != steps_.size()) {
      throw UsageError("replicas own parts of the optimiser's state", {"read the state of AdamW", name, ""});
    }
    state.emplace_back("adam.m." + name, range.m.view(parameter.sizes()));
    state.emplace_back("adam.v." + name, range.v.view(parameter.sizes()));
    state.emplace_back("adam.step." + name, steps_[range.parameter]);
  }
  return state;
}

std::int64_t AdamW::bytes() const {
  std::int64_t bytes = 0;
  for (const MomentRange& range : moments_) {
    bytes += static_cast<std::int64_t>(range.m.nbytes() + range.v.nbytes());
  }
  return bytes;
}

}  // namespace terramill::parallel
