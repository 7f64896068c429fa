#pragma once

#include <terramill/model/dino.hpp>
#include <terramill/model/mpmae_config.hpp>
#include <terramill/model/terrafm.hpp>

#include <cstdint>
#include <vector>

namespace terramill::model {

/// Floating-point operations of matrix products and convolutions, a multiplication and an addition each:
/// 2 m k n for [m, k] times [k, n]. What is element by element counts for nothing, nor does what is computed
/// twice to save memory: the numerator of MFU (Chowdhery et al., "PaLM: Scaling language modeling with
/// Pathways", 2022, appendix B).
struct Flops {
  double forward = 0;
  double backward = 0;  ///< gradients of inputs and weights: each as much as forward, where it is needed

  double total() const noexcept { return forward + backward; }
  Flops& operator+=(const Flops& other) noexcept;
};

/// The encoder's forward pass over `images`, as Terrafm::forward computes it: the stem and proj1 of a sensor
/// for the samples that have it, fusion for those with several. Backward with `trained`, else 0. Samples that
/// drop path leaves out count: they are computed.
Flops terrafm_flops(const TerrafmConfig& config, const SensorImages& images, bool trained);

/// DinoHead over `rows` features.
Flops dino_head_flops(const DinoHeadConfig& config, std::int64_t rows, bool trained);

/// What a micro-batch of MP-MAE is made of.
struct MpmaeWork {
  std::int64_t samples = 0;
  std::int64_t patches = 0;        ///< of the samples together
  std::int64_t removed = 0;        ///< of them
  std::vector<bool> participates;  ///< per target (MpmaeOutput)
};

/// Mpmae's forward and backward pass. The encoder counts at the sites of the patches that are not removed,
/// all of them, so it is an upper bound where the input has missing pixels; the depthwise windows count
/// whole. The first convolution, which the model computes densely, counts at those pixels alone.
Flops mpmae_flops(const MpmaeConfig& config, const MpmaeWork& work);

}  // namespace terramill::model
