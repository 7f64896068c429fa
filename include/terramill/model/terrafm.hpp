#pragma once

#include <terramill/model/split.hpp>
#include <terramill/model/terrafm_config.hpp>
#include <terramill/parallel/tensor_group.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include <torch/nn/module.h>

namespace terramill::model {

/// Images of the same places by one or more sensors, normalised, without NaN.
struct SensorImages {
  /// [B, bands, H, W] in order of Sensor; undefined where the micro-batch does not use the sensor. All of one
  /// B, H and W; at least one is defined.
  std::array<at::Tensor, kSensors> images;
  /// bool [B, kSensors] on the CPU: which sensors count for each sample, at least one of the defined ones
  /// each. Undefined: all that are defined.
  at::Tensor present;

  const at::Tensor& operator[](Sensor sensor) const { return images[static_cast<std::size_t>(sensor)]; }
  at::Tensor& operator[](Sensor sensor) { return images[static_cast<std::size_t>(sensor)]; }
};

/// What the encoder passed through, for tests. Undefined where it did not take place. B counts, for a stem,
/// the samples that have its sensor; for proj1 and norm_input those with one sensor, by sensor; for fusion
/// those with several; else all.
struct TerrafmTrace {
  std::array<at::Tensor, kSensors> convolved;       ///< [B, D, H / p, W / p], before the sensor's embedding
  at::Tensor proj1, norm_input, proj2, proj3;       ///< [B, n, D], the last [B, n, d]
  at::Tensor fusion_attention;                      ///< [B n, Hf, Nq, M]
  at::Tensor fusion_values, fusion_weights, fused;  ///< [B n, Nq, D], [B n, Nq, 1], [B, n, D]
  at::Tensor positions, tokens;                     ///< [1, n + 1, d], [B, n + 1, d]: input of block 0
  std::vector<at::Tensor> attention;                ///< per block [B, heads, n + 1, n + 1]
  std::vector<at::Tensor> attended;  ///< per block [B, n + 1, d]: output of the attention's projection
  std::vector<at::Tensor> blocks;    ///< per block [B, n + 1, d]
};

/// Position embeddings [1, N + 1, d] of a square grid for images of height x width pixels: [1, n + 1, d].
/// Bicubic (A = -0.75) at the scale (cells + 0.1) / sqrt(N) that the official interpolate_pos_encoding gives,
/// as a product with a constant matrix, so that its backward is deterministic everywhere. The embedding
/// itself where n = N and height = width.
at::Tensor resize_positions(const at::Tensor& positions, std::int64_t height, std::int64_t width,
                            std::int64_t patch_size);

/// The TerraFM encoder (Danish et al., "TerraFM: A scalable foundation model for unified multisensor Earth
/// observation", 2025; terrafm.py of its release): a patch stem per sensor, a shared projection, a plain ViT.
/// Parameters have the official names; fusion adds `patch_embed.fusion.{query,key.weight,pool}` (spec a.8),
/// and for a single sensor equals the official path exactly.
///
/// Samples with one sensor go the official way; those with several attend over theirs alone. Rows and columns
/// that are no whole patch are left out. One model is not for several threads at once: it keeps the matrices
/// of resized positions.
class Terrafm : public torch::nn::Module {
 public:
  /// Parameters are zero, norms 1/0, until `initialise` or until loaded. UsageError for an impossible config.
  /// Its arithmetic is split over `group`, whose ranks compute every batch together: attention by heads,
  /// stems, projections and MLPs by channels, norms by rows.
  explicit Terrafm(TerrafmConfig config, const parallel::TensorGroup& group = {});

  const TerrafmConfig& config() const noexcept { return config_; }
  /// Null: parameters are always ready.
  void set_gate(Gate gate);
  /// Draws every parameter from (seed, `prefix` + its name), as spec a.5 and a.8 say.
  void initialise(std::uint64_t seed, const std::string& prefix = "");
  /// Whether `forward` keeps only the blocks' inputs for the backward pass (recompute.hpp): the same bits.
  void recompute_blocks(bool on);

  /// The class token after the final norm, [B, d]. `keep`: drop path's masks [2 (depth - 1), B] of 0 and 1 in
  /// the order block 1 attention, block 1 MLP, block 2 attention, …; undefined: nothing is dropped.
  at::Tensor forward(const SensorImages& images, const at::Tensor& keep = {},
                     TerrafmTrace* trace = nullptr) const;

  /// All tokens [B, n + 1, d] after each block in `blocks` (0-based, ascending), without the final norm:
  /// what get_intermediate_layers and extract_feature are made of.
  std::vector<at::Tensor> block_outputs(const SensorImages& images, const std::vector<int>& blocks) const;
  /// The final norm.
  at::Tensor normalise(const at::Tensor& tokens) const;
  /// extract_feature: patch tokens after those blocks, normalised, as maps [B, d, H / p, W / p].
  std::vector<at::Tensor> feature_maps(const SensorImages& images, const std::vector<int>& blocks) const;
  /// The last block's softmax, [B, heads, n + 1, n + 1] (get_last_selfattention).
  at::Tensor last_self_attention(const SensorImages& images) const;

 private:
  struct Parts;
  TerrafmConfig config_;
  std::shared_ptr<Parts> parts_;
};

}  // namespace terramill::model
