#pragma once

#include "small_model.hpp"

#include <terramill/model/terrafm.hpp>

#include <cstdint>
#include <memory>
#include <vector>

namespace terramill::model {

/// A 3 × 3 grid of patches, two blocks, fusion by three queries.
inline TerrafmConfig small_terrafm_config() {
  TerrafmConfig config;
  config.image_size = 12;
  config.patch_size = 4;
  config.embed_dim = 12;
  config.depth = 2;
  config.heads = 3;
  config.fusion_queries = 3;
  config.fusion_heads = 4;
  return config;
}

/// A float64 model none of whose parameters is at a neutral start.
inline std::unique_ptr<Terrafm> random_terrafm(const TerrafmConfig& config, std::uint64_t seed = 7) {
  auto net = std::make_unique<Terrafm>(config);
  net->to(at::kDouble);
  net->initialise(seed);
  const torch::NoGradGuard no_gradient;
  for (auto& parameter : net->parameters()) {
    parameter.add_(normal(parameter.sizes(), ++seed), 0.3);
  }
  return net;
}

/// Images by all three sensors.
inline SensorImages random_images(std::int64_t batch, std::int64_t height = 12, std::int64_t width = 12,
                                  std::uint64_t seed = 1) {
  SensorImages images;
  for (std::size_t s = 0; s < kSensors; ++s) {
    images.images[s] = normal({batch, kSensorBands[s], height, width}, seed + s);
  }
  return images;
}

inline at::Tensor presence(const std::vector<std::vector<int>>& rows) {
  at::Tensor present = at::zeros({static_cast<std::int64_t>(rows.size()), kSensors}, at::kBool);
  for (std::size_t b = 0; b < rows.size(); ++b) {
    for (std::size_t s = 0; s < kSensors; ++s) {
      present[static_cast<std::int64_t>(b)][static_cast<std::int64_t>(s)] = rows[b][s] != 0;
    }
  }
  return present;
}

}  // namespace terramill::model
