#pragma once

#include <terramill/model/mpmae_config.hpp>
#include <terramill/model/terrafm_config.hpp>

#include <cstdint>
#include <vector>

namespace terramill::model {

// Estimates, from shapes alone, of what a forward and a backward pass hold besides parameters and their
// gradients. They count the tensors that autograd keeps for the operations of vit_block.cpp, layers.cpp and
// their callers; tests/bench/model/activation_memory.cpp compares them with what is allocated.

/// How a model is computed.
struct ComputeForm {
  std::int64_t element = 4;     ///< bytes of a float of weights and residuals
  bool bfloat16 = false;        ///< products' operands take 2 bytes
  bool recompute = false;       ///< only the blocks' inputs are kept
  bool fused_attention = true;  ///< no attention matrix is stored; so on the CPU
  std::int64_t tp = 1;          ///< ranks that share each block's hidden channels

  std::int64_t operand() const noexcept { return bfloat16 ? 2 : element; }  ///< bytes of one
};

/// Bytes of one forward pass.
struct ActivationBytes {
  std::int64_t kept = 0;       ///< from the forward to the backward pass
  std::int64_t transient = 0;  ///< the most that the backward pass of one part needs besides
};

/// What a ViT block keeps of `samples` images of `tokens` tokens each, its input included; as if nothing were
/// recomputed.
std::int64_t vit_block_bytes(const TerrafmConfig& config, std::int64_t samples, std::int64_t tokens,
                             const ComputeForm& form);

/// A TerraFM encoder on `samples` square images of `size` pixels, every one by all of `sensors`.
ActivationBytes terrafm_activations(const TerrafmConfig& config, std::int64_t samples, std::int64_t size,
                                    const std::vector<Sensor>& sensors, const ComputeForm& form);

/// What a ConvNeXt V2 block of `channels` keeps of `rows` sites, its input included.
std::int64_t convnext_block_bytes(std::int64_t rows, std::int64_t channels, const ComputeForm& form);

/// An MP-MAE, its heads and losses included, on `samples` square images of `size` pixels of which
/// `mask_ratio` is removed.
ActivationBytes mpmae_activations(const MpmaeConfig& config, std::int64_t samples, std::int64_t size,
                                  double mask_ratio, const ComputeForm& form);

/// DINO's head and loss on `views` views of `samples` samples, for `out` prototypes of `bottleneck` numbers.
ActivationBytes dino_activations(std::int64_t samples, std::int64_t views, std::int64_t hidden,
                                 std::int64_t bottleneck, std::int64_t out, const ComputeForm& form);

}  // namespace terramill::model
