#pragma once

#include <cstdint>

namespace terramill::parallel {

/// The factors of one AdamW update (parallel/adamw.hpp) at step t.
struct AdamWFactors {
  double decay;  ///< 1 - lr·wd
  double beta1, beta2, epsilon;
  double step;  ///< lr / (1 - b1^t)
  double root;  ///< sqrt(1 - b2^t)
};

/// Updates `count` elements in place, each by itself, in T's precision.
template <typename T>
void adamw_update(T* parameter, T* m, T* v, const T* gradient, std::int64_t count,
                  const AdamWFactors& factors);

}  // namespace terramill::parallel
