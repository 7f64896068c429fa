#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace terramill::model {

/// What TerraFM sees. The order is that of fusion.
enum class Sensor : std::uint8_t { kS1 = 0, kS2L2a = 1, kS2L1c = 2 };
inline constexpr std::size_t kSensors = 3;

/// "s1", "s2_l2a", "s2_l1c".
std::string_view name_of(Sensor sensor) noexcept;
/// UsageError for another word.
Sensor sensor_from(std::string_view name);
/// Bands that a stem takes: 2, 12, 12.
inline constexpr std::array<std::int64_t, kSensors> kSensorBands{2, 12, 12};

/// Everything that determines a TerraFM encoder's parameters and arithmetic (spec/terrafm.md, a.1).
struct TerrafmConfig {
  std::int64_t image_size = 224;  ///< pixels; its patches are the grid of the position embedding
  std::int64_t patch_size = 16;   ///< pixels
  std::int64_t embed_dim = 768;   ///< d; the stems work in D = 3 d
  std::int64_t depth = 12, heads = 12;
  double mlp_ratio = 4;
  double drop_path = 0;             ///< of the last block; linear from 0 at the first
  std::int64_t fusion_queries = 5;  ///< 0: no fusion parameters, as released: one sensor per image
  std::int64_t fusion_heads = 16;   ///< must divide D
  bool norm_before_pool = true;     ///< norm_input on each query's value; else on their weighted mean

  std::int64_t grid() const noexcept { return image_size / patch_size; }  ///< of the position embedding
  std::int64_t attn_dim() const noexcept { return 3 * embed_dim; }        ///< D
};

/// The sizes small (d 384, 12 blocks, 6 heads), base and large (terrafm_base, terrafm_large of the official
/// terrafm.py), with `drop_path` 0. UsageError for another name.
TerrafmConfig terrafm_size(const std::string& name);
/// UsageError where heads or fusion heads do not divide, or a size is not positive.
void check(const TerrafmConfig& config);
/// Drop-path rate of every block: linspace(0, drop_path, depth) in float32, as the official code.
std::vector<double> drop_path_rates(const TerrafmConfig& config);

}  // namespace terramill::model
