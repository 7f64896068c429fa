#pragma once

#include <terramill/model/masking.hpp>
#include <terramill/model/mpmae.hpp>

#include <cstdint>
#include <string>
#include <vector>

#include <torch/torch.h>

namespace terramill::model {

/// A model of all four target kinds, small enough for finite differences.
inline MpmaeConfig small_config() {
  MpmaeConfig config;
  config.size = {{1, 1, 1, 1}, {4, 6, 8, 10}};
  config.in_channels = 3;
  config.decoder_width = 8;
  config.targets = {{"optical", TargetKind::kContinuousPixel, 3, true},
                    {"radar", TargetKind::kContinuousPixel, 2},
                    {"cover", TargetKind::kCategoricalPixel, 5},
                    {"weather", TargetKind::kContinuousImage, 4},
                    {"biome", TargetKind::kCategoricalImage, 6}};
  return config;
}

/// Random values that depend on `seed` alone.
inline at::Tensor normal(at::IntArrayRef shape, std::uint64_t seed) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  return at::normal(0.0, 1.0, shape, generator, at::kDouble);
}

/// A complete float64 micro-batch for `config`.
inline MpmaeBatch random_batch(const MpmaeConfig& config, std::int64_t samples, std::int64_t height,
                               std::int64_t width, std::uint64_t seed = 1) {
  MpmaeBatch batch;
  batch.input = normal({samples, config.in_channels, height, width}, seed);
  const std::int64_t patches = height / config.patch_size * (width / config.patch_size);
  batch.mask = mask_from_noise(normal({samples, patches}, seed + 1), 0.6);
  for (const MpmaeTarget& target : config.targets) {
    seed += 2;
    switch (target.kind) {
      case TargetKind::kContinuousPixel:
        batch.targets.push_back(normal({samples, target.channels, height, width}, seed));
        break;
      case TargetKind::kCategoricalPixel:
        batch.targets.push_back(normal({samples, 1, height, width}, seed)
                                    .mul(3)
                                    .abs()
                                    .floor()
                                    .clamp_max(target.channels - 1)
                                    .to(at::kLong));
        break;
      case TargetKind::kContinuousImage:
        batch.targets.push_back(normal({samples, target.channels}, seed));
        break;
      case TargetKind::kCategoricalImage:
        batch.targets.push_back(
            at::one_hot(normal({samples, target.channels}, seed).argmax(1), target.channels));
        break;
    }
  }
  return batch;
}

/// A float64 model whose GRN, biases and mask token are not at their neutral start, so that every term shows.
inline std::unique_ptr<Mpmae> random_model(const MpmaeConfig& config, std::uint64_t seed = 7) {
  auto net = std::make_unique<Mpmae>(config);
  net->to(at::kDouble);
  net->initialise(seed);
  const torch::NoGradGuard no_gradient;
  for (auto& parameter : net->parameters()) {
    parameter.add_(normal(parameter.sizes(), ++seed), 0.1);
  }
  return net;
}

}  // namespace terramill::model
