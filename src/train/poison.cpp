#include "poison.hpp"

#include <limits>

#include <torch/torch.h>

namespace terramill::train {

void poison_gradient(const parallel::GradientBuffer& gradients) {
  const torch::NoGradGuard no_grad;
  gradients.gradient(gradients.owned().front())
      .narrow(0, 0, 1)
      .fill_(std::numeric_limits<double>::quiet_NaN());
}

void flip_bit(const parallel::GradientBuffer& gradients) {
  const torch::NoGradGuard no_grad;
  const parallel::OwnedRange& range = gradients.owned().front();
  const at::Tensor parameter = gradients.parameter(range.parameter).second.detach();
  const at::Tensor element = parameter.view({-1}).narrow(0, range.begin, 1);
  // The highest bit of the mantissa.
  if (element.scalar_type() == at::kDouble) {
    element.view(at::kLong).bitwise_xor_(std::int64_t{1} << 51);
  } else {
    element.view(at::kInt).bitwise_xor_(1 << 22);
  }
}

}  // namespace terramill::train
