#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace terramill::model {

/// The four combinations of what a target describes and how it is measured.
enum class TargetKind {
  kContinuousPixel,   ///< [B, C, H, W] real, NaN where missing; mean squared error per removed patch
  kCategoricalPixel,  ///< [B, 1, H, W] class numbers, -1 where missing; cross entropy per pixel of the
                      ///< removed patches
  kContinuousImage,   ///< [B, C] real, NaN where missing; mean squared error
  kCategoricalImage,  ///< [B, C] one-hot; cross entropy
};

/// One modality to be reconstructed.
struct MpmaeTarget {
  std::string name;
  TargetKind kind = TargetKind::kContinuousPixel;
  std::int64_t channels = 1;  ///< bands, or classes of a categorical target
  bool reflectance = false;   ///< optical: `norm_pix` applies to it
  double weight = 1;          ///< factor on its share of the total

  bool is_pixel() const noexcept {
    return kind == TargetKind::kContinuousPixel || kind == TargetKind::kCategoricalPixel;
  }
};

/// What becomes of target elements that a tile lacks.
enum class MissingMode {
  /// A target without one valid element in the micro-batch takes no part: loss 0, weight 0, no gradient. In a
  /// target that
  /// does take part, missing elements of continuous pixels count as 0, the mean, as in the reference.
  kSkip,
  /// As kSkip, and missing elements of continuous pixels are left out of the loss.
  kMask,
  /// The reference's arithmetic to the letter: an empty target or a missing input pixel makes the total NaN.
  kReference,
};

/// How the targets' losses become one: Kendall, Gal and Cipolla, "Multi-task learning using uncertainty to
/// weigh losses", CVPR 2018, in the reference's form sum_i exp(-s_i) L_i + s_i; or their plain sum.
enum class Aggregation { kUncertainty, kUnweighted };

/// Blocks per stage and channels per stage of one ConvNeXt V2 size.
struct EncoderSize {
  std::vector<std::int64_t> depths;
  std::vector<std::int64_t> dims;
};

/// The sizes atto, femto, pico, nano, tiny, base, large, huge (models/fcmae.py of MMEarth-train); UsageError
/// for another name.
EncoderSize encoder_size(const std::string& name);
std::vector<std::string> encoder_size_names();

/// Everything that determines an MP-MAE's parameters and arithmetic.
struct MpmaeConfig {
  EncoderSize size = encoder_size("atto");
  std::int64_t in_channels = 12;
  std::int64_t patch_size = 8;  ///< 8, 16 or 32 with four stages: a multiple of 8
  bool use_orig_stem = false;   ///< one strided convolution in place of initial_conv and stem
  std::int64_t decoder_width = 512;
  std::int64_t decoder_depth = 1;
  bool norm_pix = true;  ///< reflectance targets are normalised per patch
  Aggregation aggregation = Aggregation::kUncertainty;
  MissingMode missing = MissingMode::kSkip;
  std::vector<MpmaeTarget>
      targets;  ///< in the order of the losses; the first names the shared decoder's parameters

  /// Pixels of the input per site of stage 0.
  std::int64_t stem_stride() const noexcept { return patch_size / 8; }
};

/// Throws UsageError naming the first thing in `config` that no model can have.
void check(const MpmaeConfig& config);

/// The twelve targets of the official pretraining, in its order (MODALITIES.py of MMEarth-train).
std::vector<MpmaeTarget> mmearth_targets();
/// Targets that the schema `majortom` offers: s2_l1c, s2_l2a, s1_rtc, dem, land_cover.
std::vector<MpmaeTarget> majortom_targets();
/// Those of `available` with the given names, in the order of the names; UsageError with the nearest name for
/// an unknown one.
std::vector<MpmaeTarget> select_targets(const std::vector<MpmaeTarget>& available,
                                        const std::vector<std::string>& names);

/// State-dict names under which the official model lists the one shared decoder again, each with the name of
/// the parameter that it stands for. An exported checkpoint holds both.
std::vector<std::pair<std::string, std::string>> shared_parameter_aliases(const MpmaeConfig& config);

/// Whether a parameter is subject to weight decay: not with one dimension or fewer, nor named *.bias (timm's
/// param_groups_weight_decay). GRN's gamma and beta and the mask token do decay.
bool takes_weight_decay(std::string_view name, std::int64_t dimensions) noexcept;

}  // namespace terramill::model
