#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

namespace terramill::eval {

struct Components {
  at::Tensor values;              ///< [k, n]
  std::vector<double> explained;  ///< share of the variance, per component
};

/// The first k principal components of the columns of `features` [d, n] that are not NaN, in double; NaN
/// where the column is NaN. Of each component the largest loading is positive. UsageError where k exceeds d.
Components principal_components(const at::Tensor& features, int k);

}  // namespace terramill::eval
