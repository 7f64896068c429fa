#include <terramill/model/losses.hpp>

#include <limits>

#include <torch/torch.h>

namespace terramill::model {
namespace {

constexpr double kPatchVarianceEpsilon = 1e-6;
constexpr std::int64_t kMissingClass = -1;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

at::Tensor class_numbers(const at::Tensor& one_hot, MissingMode missing) {
  const at::Tensor classes = one_hot.argmax(-1);
  if (missing == MissingMode::kReference) {
    return classes;
  }
  return at::where(one_hot.gt(0).any(-1), classes, kMissingClass);
}

at::Tensor normalise_patches(const at::Tensor& rows, MissingMode missing) {
  if (missing != MissingMode::kMask) {
    const at::Tensor centred = rows - rows.mean(1, true);
    return centred /
           (rows.var(at::IntArrayRef{1}, /*unbiased=*/true, /*keepdim=*/true) + kPatchVarianceEpsilon).sqrt();
  }
  const at::Tensor count = rows.isnan().logical_not().sum(1, true);
  const at::Tensor centred = rows - rows.nanmean(1, true);
  const at::Tensor variance = centred.square().nansum(1, true) / (count - 1);
  return centred / (variance + kPatchVarianceEpsilon).sqrt();
}

/// sum / count, where an empty count gives 0, or NaN as in the reference.
at::Tensor mean_over(const at::Tensor& sum, const at::Tensor& count, MissingMode missing) {
  return sum / (missing == MissingMode::kReference ? count : count.clamp_min(1));
}

/// (prediction - target)² with error and gradient 0 where the target is NaN.
at::Tensor squared_error(const at::Tensor& prediction, const at::Tensor& target, const at::Tensor& valid) {
  return (prediction - at::where(valid, target, prediction.detach())).square();
}

at::Tensor cross_entropy(const at::Tensor& scores, const at::Tensor& classes, MissingMode missing) {
  const at::Tensor sum = at::cross_entropy_loss(scores, classes, /*weight=*/{}, at::Reduction::Sum,
                                                /*ignore_index=*/kMissingClass);
  return mean_over(sum, classes.ne(kMissingClass).sum(), missing);
}

}  // namespace

at::Tensor patch_rows(const at::Tensor& images, std::int64_t patch_size) {
  const std::int64_t batch = images.size(0), channels = images.size(1);
  const std::int64_t height = images.size(2) / patch_size, width = images.size(3) / patch_size;
  return images.reshape({batch, channels, height, patch_size, width, patch_size})
      .permute({0, 2, 4, 3, 5, 1})
      .reshape({batch * height * width, patch_size * patch_size * channels});
}

at::Tensor target_rows(const MpmaeTarget& target, const at::Tensor& raw, std::int64_t patch_size,
                       const at::Tensor& removed, MissingMode missing) {
  switch (target.kind) {
    case TargetKind::kContinuousPixel:
      return patch_rows(raw, patch_size).index_select(0, removed);
    case TargetKind::kCategoricalPixel:
      return patch_rows(raw.to(at::kLong), patch_size).index_select(0, removed);
    case TargetKind::kCategoricalImage:
      return class_numbers(raw, missing);
    case TargetKind::kContinuousImage:
      break;
  }
  return raw;
}

at::Tensor any_valid(const at::Tensor& rows) {
  return (rows.is_floating_point() ? rows.isfinite() : rows.ne(kMissingClass)).any();
}

at::Tensor fill_missing(const MpmaeTarget& target, const at::Tensor& rows, MissingMode missing) {
  if (!rows.is_floating_point()) {
    return rows;
  }
  if (target.is_pixel() && missing != MissingMode::kMask) {
    return rows.nan_to_num(0, 0, 0);
  }
  // The reference leaves infinities in image-level targets.
  return missing == MissingMode::kReference ? rows : at::where(rows.isfinite(), rows, kNan);
}

at::Tensor target_loss(const MpmaeTarget& target, const at::Tensor& prediction, const at::Tensor& rows,
                       bool normalise, MissingMode missing) {
  switch (target.kind) {
    case TargetKind::kCategoricalPixel:
    case TargetKind::kCategoricalImage:
      return cross_entropy(prediction.reshape({-1, target.channels}), rows.reshape({-1}), missing);
    case TargetKind::kContinuousPixel: {
      const at::Tensor wanted = normalise ? normalise_patches(rows, missing) : rows;
      const at::Tensor valid = wanted.isnan().logical_not();
      // A patch without valid elements has error 0 and, like one that is met exactly, is not counted.
      const at::Tensor patches =
          squared_error(prediction, wanted, valid).sum(1) / valid.sum(1).clamp_min(1).to(prediction.dtype());
      return mean_over(patches.sum(), patches.detach().count_nonzero(), missing);
    }
    case TargetKind::kContinuousImage:
      break;
  }
  const at::Tensor valid = rows.isnan().logical_not();
  return mean_over(squared_error(prediction, rows, valid).sum(), valid.sum(), missing);
}

Aggregated aggregate(const at::Tensor& losses, const at::Tensor& log_vars, const at::Tensor& weights) {
  at::Tensor weighted = losses;
  if (log_vars.defined()) weighted = at::where(losses.ne(0), (-log_vars).exp() * losses + log_vars, 0);
  if (weights.defined()) weighted = weighted * weights;
  return {weighted, weighted.sum()};
}

}  // namespace terramill::model
