#pragma once

#include <terramill/model/encoder.hpp>
#include <terramill/model/mpmae_config.hpp>

#include <cstdint>
#include <memory>
#include <vector>

#include <torch/nn/module.h>

namespace terramill::model {

/// One micro-batch, normalised, on the model's device.
struct MpmaeBatch {
  at::Tensor input;  ///< [B, C, H, W] real, NaN where missing; H and W multiples of the patch size
  std::vector<at::Tensor>
      targets;      ///< in the config's order, as TargetKind says; undefined where the micro-batch has none
  at::Tensor mask;  ///< [B, L], 1 = removed, patches row-major, the same for all modalities
};

/// What a forward pass gives.
struct MpmaeOutput {
  at::Tensor total;                ///< scalar; its gradient is 0, or it has none, when no target takes part
  at::Tensor losses;               ///< [T], in the targets' order; 0 for one that takes no part
  at::Tensor weighted;             ///< [T], its share of `total`
  std::vector<bool> participates;  ///< [T]
  std::vector<at::Tensor> predictions;  ///< [B, p * p * C, H / p, W / p] or [B, C]; empty unless asked for
};

/// MP-MAE (Nedungadi et al., "MMEarth: Exploring multi-modal pretext tasks for geospatial representation
/// learning", ECCV 2024; FCMAE in models/fcmae.py of MMEarth-train): a masked encoder, one decoder shared by
/// all targets, a head for each.
///
/// Parameters have the official names and layouts; the shared decoder is registered once, under the first
/// target (shared_parameter_aliases lists its other names). With kSkip and kMask the encoder sees missing
/// input as 0, which makes an all-missing pixel inactive; with kReference NaN goes through. GRN statistics
/// and every loss are those of the micro-batch alone. The official classifier's `stem_padding` concerns its
/// dense form only: here sites keep their place.
class Mpmae : public torch::nn::Module {
 public:
  /// Parameters are zero, norms 1/0, until `initialise` or until loaded. UsageError for an impossible config.
  /// Blocks and wide heads are split over `group`, whose ranks compute every micro-batch together.
  explicit Mpmae(MpmaeConfig config, const parallel::TensorGroup& group = {});

  const MpmaeConfig& config() const noexcept { return config_; }
  /// Null: parameters are always ready.
  void set_gate(const Gate& gate);
  /// Draws every parameter from (seed, its name); see draw_parameter.
  void initialise(std::uint64_t seed);
  /// Whether `forward` keeps only the blocks' inputs for the backward pass (recompute.hpp): the same bits.
  void recompute_blocks(bool on);

  /// UsageError when a tensor of the batch does not fit the config. `with_predictions` also runs every head
  /// on every patch.
  MpmaeOutput forward(const MpmaeBatch& batch, bool with_predictions = false) const;

  /// The encoder's output [B, D, H / p, W / p], 0 at inactive sites. A mask of zeros keeps all patches.
  at::Tensor encode(const at::Tensor& input, const at::Tensor& mask, EncoderTrace* trace = nullptr) const;

 private:
  struct PreparedTarget;
  /// What the heads read: on every rank alike, and on its way into the heads that are split.
  struct HeadInput {
    at::Tensor whole, entered;
  };

  at::Tensor decode(const at::Tensor& features, const at::Tensor& mask) const;
  std::vector<PreparedTarget> prepare_targets(const MpmaeBatch& batch, const at::Tensor& removed) const;
  std::vector<at::Tensor> predict_all(const HeadInput& decoded, const HeadInput& pooled,
                                      const MpmaeBatch& batch) const;
  std::int64_t outputs_of(const MpmaeTarget& target) const;
  void ready(const std::vector<at::Tensor>& parameters) const;
  HeadInput head_input(const at::Tensor& rows) const;
  at::Tensor predict(std::size_t target, const HeadInput& input) const;

  MpmaeConfig config_;
  parallel::TensorGroup group_;
  bool recomputing_ = false;
  Gate gate_;
  at::Tensor mask_token_, log_vars_;  // log_vars_ undefined when unweighted
  std::shared_ptr<MaskedEncoder> encoder_;
  std::shared_ptr<Linear> proj_;
  std::vector<std::shared_ptr<DenseBlock>> decoder_;
  std::vector<std::shared_ptr<Linear>> heads_;
  std::shared_ptr<Norm> image_norm_;  // null without an image-level target
};

}  // namespace terramill::model
