#include "principal_components.hpp"

#include <terramill/core/error.hpp>

#include <limits>

#include <torch/torch.h>

namespace terramill::eval {

Components principal_components(const at::Tensor& features, int k) {
  const std::int64_t width = features.size(0);
  if (k > width) {
    throw UsageError("the model has " + std::to_string(width) + " features, not " + std::to_string(k),
                     {"compute principal components", "components", ""});
  }
  const at::Tensor valid = features.isfinite().all(0).nonzero().squeeze(1);
  Components components;
  components.values = at::full({k, features.size(1)}, std::numeric_limits<float>::quiet_NaN());
  if (valid.numel() == 0) return components;
  at::Tensor known = features.index_select(1, valid).to(at::kDouble);
  known = known - known.mean(1, true);
  const at::Tensor covariance = known.matmul(known.t()) / static_cast<double>(known.size(1));
  const auto [variances, axes] = at::linalg_eigh(covariance);  // ascending
  at::Tensor first = axes.flip(1).slice(1, 0, k).t().contiguous();
  const at::Tensor largest = first.gather(1, first.abs().argmax(1, true));
  first = first * largest.sign();
  components.values.index_copy_(1, valid, first.matmul(known).to(at::kFloat));
  const at::Tensor shares = variances.flip(0) / variances.sum();
  for (int i = 0; i < k; ++i) components.explained.push_back(shares[i].item<double>());
  return components;
}

}  // namespace terramill::eval
