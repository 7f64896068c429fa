#pragma once

#include <terramill/model/terrafm_config.hpp>
#include <terramill/parallel/placement.hpp>

#include <cstdint>
#include <string>
#include <string_view>

#include <ATen/core/Tensor.h>

namespace terramill::model {

/// How a parameter's elements are drawn.
struct Distribution {
  enum class Kind {
    kConstant,     ///< `value` everywhere
    kNormal,       ///< mean 0, standard deviation `value`
    kTruncNormal,  ///< the same, redrawn outside [-2, 2], as timm's trunc_normal_ (not: two standard
                   ///< deviations)
    kUniform,      ///< in ±`value`
  };
  Kind kind = Kind::kConstant;
  double value = 0;
};

/// How the reference initialises the MP-MAE parameter `name` with `dimensions` dimensions:
/// FCMAE._init_weights of models/fcmae.py, which gives sparse depthwise kernels, sparse linear weights and
/// all 2-D convolutions standard deviation 1.
Distribution mpmae_distribution(std::string_view name, std::int64_t dimensions);

/// How the official TerraFM initialises the parameter `name` (terrafm.py), but that no draw is ±2: its erfinv
/// in float32 may overflow, which clips to such an outlier. Fusion's query and key are drawn like linear
/// weights, its pool is 0.
Distribution terrafm_distribution(std::string_view name, const TerrafmConfig& config);

/// Fills `parameter` from the Philox streams (seed, kInitialisation, xxh3(name), block) of 4096 elements
/// each, row-major: a value depends on seed, name and position only, never on other parameters, ranks or the
/// order of calls. With `placement`, `parameter` receives this rank's part of the whole parameter's values.
void draw_parameter(at::Tensor parameter, const std::string& name, const Distribution& distribution,
                    std::uint64_t seed, const parallel::Placement* placement = nullptr);

}  // namespace terramill::model
