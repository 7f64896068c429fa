#include "adamw_kernel.hpp"

#include <cmath>

namespace terramill::parallel {

template <typename T>
void adamw_update(T* __restrict parameter, T* __restrict m, T* __restrict v, const T* __restrict gradient,
                  std::int64_t count, const AdamWFactors& factors) {
  const T decay = static_cast<T>(factors.decay), epsilon = static_cast<T>(factors.epsilon);
  const T beta1 = static_cast<T>(factors.beta1), rest1 = static_cast<T>(1 - factors.beta1);
  const T beta2 = static_cast<T>(factors.beta2), rest2 = static_cast<T>(1 - factors.beta2);
  const T step = static_cast<T>(factors.step), root = static_cast<T>(factors.root);
  for (std::int64_t i = 0; i < count; ++i) {
    const T g = gradient[i];
    m[i] = beta1 * m[i] + rest1 * g;
    v[i] = beta2 * v[i] + rest2 * (g * g);
    parameter[i] = decay * parameter[i] - step * (m[i] / (std::sqrt(v[i]) / root + epsilon));
  }
}

template void adamw_update(float*, float*, float*, const float*, std::int64_t, const AdamWFactors&);
template void adamw_update(double*, double*, double*, const double*, std::int64_t, const AdamWFactors&);

}  // namespace terramill::parallel
