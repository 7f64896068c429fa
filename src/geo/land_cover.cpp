#include <terramill/geo/land_cover.hpp>

namespace terramill::geo {
namespace {

constexpr std::array<LandCoverClass, kLandCoverClasses> kWorldCover{{
    {0, "none or ocean", {0, 0, 0}},
    {10, "tree cover", {0x00, 0x64, 0x00}},
    {20, "shrubland", {0xff, 0xbb, 0x22}},
    {30, "grassland", {0xff, 0xff, 0x4c}},
    {40, "cropland", {0xf0, 0x96, 0xff}},
    {50, "built-up", {0xfa, 0x00, 0x00}},
    {60, "bare or sparse vegetation", {0xb4, 0xb4, 0xb4}},
    {70, "snow and ice", {0xf0, 0xf0, 0xf0}},
    {80, "permanent water bodies", {0x00, 0x64, 0xc8}},
    {90, "herbaceous wetland", {0x00, 0x96, 0xa0}},
    {95, "mangroves", {0x00, 0xcf, 0x75}},
    {100, "moss and lichen", {0xfa, 0xe6, 0xa0}},
}};

constexpr std::array<LandCoverClass, kDynamicWorldClasses> kDynamicWorld{{
    {1, "water", {0x41, 0x9b, 0xdf}},
    {2, "trees", {0x39, 0x7d, 0x49}},
    {3, "grass", {0x88, 0xb0, 0x53}},
    {4, "flooded vegetation", {0x7a, 0x87, 0xc6}},
    {5, "crops", {0xe4, 0x96, 0x35}},
    {6, "shrub and scrub", {0xdf, 0xc3, 0x5a}},
    {7, "built area", {0xc4, 0x28, 0x1b}},
    {8, "bare ground", {0xa5, 0x9b, 0x8f}},
    {9, "snow and ice", {0xb3, 0x9f, 0xe1}},
}};

constexpr std::array<std::uint8_t, kDynamicWorldClasses + 1> kWorldCoverOfDynamicWorld{0,  80, 10, 30, 90,
                                                                                       40, 20, 50, 60, 70};

constexpr std::array<std::uint8_t, 256> kClassOfCode = [] {
  std::array<std::uint8_t, 256> classes{};
  for (std::size_t i = 1; i < kWorldCover.size(); ++i) {
    classes[static_cast<std::size_t>(kWorldCover[i].code)] = static_cast<std::uint8_t>(i);
  }
  return classes;
}();

}  // namespace

const std::array<LandCoverClass, kLandCoverClasses>& land_cover_classes() noexcept { return kWorldCover; }
const std::array<LandCoverClass, kDynamicWorldClasses>& dynamic_world_classes() noexcept {
  return kDynamicWorld;
}

int class_of_world_cover(int code) noexcept {
  return code >= 0 && code < 256 ? kClassOfCode[static_cast<std::size_t>(code)] : 0;
}

bool is_world_cover(int code) noexcept { return class_of_world_cover(code) != 0; }

int world_cover_of_dynamic_world(int value) noexcept {
  return value >= 1 && value <= kDynamicWorldClasses
             ? kWorldCoverOfDynamicWorld[static_cast<std::size_t>(value)]
             : 0;
}

std::array<std::uint32_t, kLandCoverClasses> land_cover_histogram(
    std::span<const std::uint8_t> codes) noexcept {
  std::array<std::uint32_t, 256> count{};
  for (const auto code : codes) ++count[code];
  std::array<std::uint32_t, kLandCoverClasses> histogram{};
  for (std::size_t code = 0; code < count.size(); ++code) histogram[kClassOfCode[code]] += count[code];
  return histogram;
}

}  // namespace terramill::geo
