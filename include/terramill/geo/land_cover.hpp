#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace terramill::geo {

inline constexpr int kLandCoverClasses = 12;
inline constexpr int kDynamicWorldClasses = 9;

/// A class of a land-cover product.
struct LandCoverClass {
  int code;  ///< pixel value in the product
  std::string_view name;
  std::array<std::uint8_t, 3> color;  ///< RGB of the product's official palette
};

/// Terramill's 12 classes: 0 "none or ocean" (code 0), then the 11 of ESA WorldCover in order of their codes
/// 10, 20, …, 90, 95, 100 (WorldCover Product User Manual v2.0, table 3).
const std::array<LandCoverClass, kLandCoverClasses>& land_cover_classes() noexcept;
/// The 9 classes of Dynamic World as MMEarth stores them: label + 1, so water = 1, …, snow and ice = 9 (Brown
/// et al., "Dynamic World", Scientific Data 9, 2022).
const std::array<LandCoverClass, kDynamicWorldClasses>& dynamic_world_classes() noexcept;

/// Class 0 … 11 of a WorldCover code; 0 for every code that WorldCover does not have.
int class_of_world_cover(int code) noexcept;
bool is_world_cover(int code) noexcept;  ///< one of the 11 codes
/// The WorldCover code that comes nearest to a Dynamic World value 1 … 9; 0 otherwise.
int world_cover_of_dynamic_world(int value) noexcept;

/// Pixels per class of a WorldCover raster.
std::array<std::uint32_t, kLandCoverClasses> land_cover_histogram(
    std::span<const std::uint8_t> codes) noexcept;

}  // namespace terramill::geo
