#pragma once

#include "sensor_routes.hpp"

#include <terramill/model/layers.hpp>
#include <terramill/model/terrafm.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace terramill::model {

/// A sensor's patch stem, a convolution whose stride is its kernel: `weight` [D, bands, p, p], `bias` [D].
/// Channels are split over `group`.
class PatchStem : public SplitModule {
 public:
  PatchStem(std::int64_t bands, std::int64_t width, std::int64_t patch_size,
            const parallel::TensorGroup& group);
  /// [B, bands, H, W] -> this rank's channels of [B, n, D], row-major. What is no whole patch is left out.
  at::Tensor forward(const at::Tensor& images) const;

 private:
  at::Tensor weight_, bias_;
};

/// TokenProjection of terrafm.py, which goes without a non-linearity: `proj1`, `norm_input`, `proj2`,
/// `proj3`.
struct TokenProjection : torch::nn::Module {
  TokenProjection(std::int64_t width, std::int64_t out, const parallel::TensorGroup& group);
  std::shared_ptr<Linear> proj1, proj2, proj3;
  std::shared_ptr<Norm> norm_input;  ///< eps 1e-5
};

/// Learnt queries that attend to the sensors of each position (spec a.8): `query` [1, Nq, D], `pool` [D, 1],
/// `key.weight` [D, D], its columns split over `group`.
class SensorFusion : public SplitModule {
 public:
  SensorFusion(const TerrafmConfig& config, const parallel::TensorGroup& group);

  /// What the queries make of one sensor's tokens [B, n, D], of which this rank has some channels:
  /// [B, n, Hf Nq].
  at::Tensor scores(const at::Tensor& tokens) const;
  /// [B, n, D], normalised by `norm_input`: from each sensor's scores and values, and `absent` [B, M].
  at::Tensor forward(const std::vector<at::Tensor>& scores, const std::vector<at::Tensor>& values,
                     const at::Tensor& absent, const Norm& norm_input, TerrafmTrace* trace) const;

 private:
  std::int64_t heads_, queries_, width_;
  bool norm_before_pool_;
  parallel::TensorGroup group_;
  at::Tensor query_, pool_, key_;
};

/// From images to the transformer's patch tokens: a stem and an embedding per sensor, then the projection.
class PatchEmbed : public SplitModule {
 public:
  PatchEmbed(const TerrafmConfig& config, const parallel::TensorGroup& group);
  /// [B, n, d]. UsageError where a sample has several sensors and there is no fusion.
  at::Tensor forward(const SensorImages& images, const SensorRoutes& routes, TerrafmTrace* trace) const;

 private:
  at::Tensor embed(const SensorImages& images, const SensorRoutes& routes, const SensorRoute& route,
                   TerrafmTrace* trace) const;

  std::int64_t patch_size_;
  parallel::TensorGroup group_;
  std::array<at::Tensor, kSensors> embeddings_;  // [1, D]
  std::array<std::shared_ptr<PatchStem>, kSensors> stems_;
  std::shared_ptr<TokenProjection> projection_;
  std::shared_ptr<SensorFusion> fusion_;
};

}  // namespace terramill::model
