#pragma once

#include <terramill/model/layers.hpp>
#include <terramill/model/mpmae_config.hpp>

#include <memory>
#include <utility>
#include <vector>

#include <torch/nn/module.h>

namespace terramill::model {

/// What the encoder passed through, for tests and pictures: outputs [B, C, H, W] of the four stages, 0 at
/// inactive sites, and which sites are active, bool [B, 1, H, W].
struct EncoderTrace {
  std::vector<at::Tensor> stages, active;
};

/// The masked ConvNeXt V2 encoder (models/convnextv2_sparse.py of MMEarth-train). A pixel is active where any
/// of its masked bands is not 0; its grid is (H / patch) × (W / patch), always whole, whatever is masked.
class MaskedEncoder : public torch::nn::Module {
 public:
  /// The blocks' hidden channels are split over `group`.
  explicit MaskedEncoder(const MpmaeConfig& config, const parallel::TensorGroup& group = {});
  /// As Mpmae::recompute_blocks.
  void recompute_blocks(bool on) noexcept { recomputing_ = on; }

  /// Null: parameters are always ready.
  void set_gate(Gate gate) { gate_ = std::move(gate); }

  /// images [B, C, H, W] with H and W multiples of the patch size; mask [B, L], 1 = removed, patches
  /// row-major. Returns [B, H / patch, W / patch, D], 0 at inactive sites.
  at::Tensor forward(const at::Tensor& images, const at::Tensor& mask, EncoderTrace* trace = nullptr) const;

 private:
  std::int64_t patch_size_, stem_stride_;
  bool recomputing_ = false;
  Gate gate_;
  std::vector<std::shared_ptr<Wrapped<Norm>>> downsample_norms_;
  std::vector<std::shared_ptr<SparseKernel>> downsample_convolutions_;
  // stem_orig, or initial_conv and stem; the others are null.
  std::shared_ptr<SparseKernel> stem_orig_, initial_conv_, stem_;
  std::shared_ptr<Wrapped<Norm>> stem_orig_norm_, initial_norm_, stem_norm_;
  std::vector<std::vector<std::shared_ptr<SparseBlock>>> stages_;

  at::Tensor embed(const at::Tensor& masked, const std::vector<SiteLevel>& levels) const;
};

}  // namespace terramill::model
