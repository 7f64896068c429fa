#pragma once

#include <terramill/model/mpmae_config.hpp>

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace terramill::model {

// The losses of MP-MAE: forward_loss of models/fcmae.py and UncertaintyWeightingStrategy of custom_loss.py in
// MMEarth-train. A patch's elements are ordered (row, column, channel), channels fastest, in targets as in
// predictions.

/// Images [B, C, H, W] as patches [B * L, p * p * C].
at::Tensor patch_rows(const at::Tensor& images, std::int64_t patch_size);

/// What a target's loss compares predictions with: patches `removed` (int64 indices into [B * L]) as [R, p *
/// p * C] for continuous and class numbers [R, p * p] for categorical pixels; [B, C] and class numbers [B]
/// for images. Class -1 is missing, as are NaN and infinities; a one-hot row of zeros is class 0 in
/// kReference and -1 otherwise.
at::Tensor target_rows(const MpmaeTarget& target, const at::Tensor& raw, std::int64_t patch_size,
                       const at::Tensor& removed, MissingMode missing);

/// Whether any element is not missing; a bool scalar tensor, so that many can be read from a device at once.
at::Tensor any_valid(const at::Tensor& rows);

/// Missing elements as the loss takes them: 0 in continuous pixels (kSkip, kReference), NaN otherwise.
at::Tensor fill_missing(const MpmaeTarget& target, const at::Tensor& rows, MissingMode missing);

/// The loss of one target, a scalar. `rows` as from target_rows, `prediction` of the same leading size with
/// p * p * channels or `channels` columns. Elements that are NaN or class -1 are left out and get gradient 0.
///
/// Continuous pixels: the mean of (prediction - target)² over each patch's elements, then the mean over the
/// patches where that is not 0; `normalise` subtracts each patch's mean and divides by sqrt(var + 1e-6), var
/// unbiased, over all its elements. Others: mean squared error or cross entropy over the valid elements.
/// Without a valid element kReference gives NaN.
at::Tensor target_loss(const MpmaeTarget& target, const at::Tensor& prediction, const at::Tensor& rows,
                       bool normalise, MissingMode missing);

/// Losses [T], each weighted, and their sum.
struct Aggregated {
  at::Tensor weighted, total;
};

/// With log_vars s [T]: weighted_i = exp(-s_i) L_i + s_i, or 0 where L_i is exactly 0. With undefined
/// log_vars: L_i. Each is multiplied by its element of `weights` [T]; undefined: 1.
Aggregated aggregate(const at::Tensor& losses, const at::Tensor& log_vars, const at::Tensor& weights = {});

}  // namespace terramill::model
