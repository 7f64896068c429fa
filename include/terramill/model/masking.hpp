#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace terramill::model {

/// Of `patches` those that a mask of `ratio` keeps: int(patches * (1 - ratio)), double arithmetic, truncated.
std::int64_t kept_patches(std::int64_t patches, double ratio) noexcept;

/// The random mask of MP-MAE: of each row of noise [B, L] the int(L * (1 - ratio)) patches with the smallest
/// values are kept (double arithmetic, truncated; the earlier of equals first). Returns [B, L] of noise's
/// type, 1 = removed. `gen_random_mask` of models/fcmae.py in MMEarth-train.
at::Tensor mask_from_noise(const at::Tensor& noise, double ratio);

/// One window of `size` × `size` per sample of images [B, C, H, W]: corners [B, 2] holds (x0, y0), the column
/// and row of its first pixel. The same corners for all pixel modalities give the random crop of the
/// reference's forward().
at::Tensor crop_windows(const at::Tensor& images, const at::Tensor& corners, std::int64_t size);

}  // namespace terramill::model
