#include <terramill/geo/land_cover.hpp>
#include <terramill/report/pictures.hpp>

#include <algorithm>
#include <array>
#include <cmath>

namespace terramill::report {

namespace {

using Color = std::array<std::uint8_t, 3>;
constexpr Color kMissing = {255, 0, 255}, kHidden = {128, 128, 128};

std::uint8_t shade(float value) {
  const float scaled = (value + 2.0f) / 4.0f * 255.0f;
  return static_cast<std::uint8_t>(std::lround(std::clamp(scaled, 0.0f, 255.0f)));
}

std::size_t band_or(const std::vector<std::string>& bands, const char* name, std::size_t otherwise) {
  const auto found = std::find(bands.begin(), bands.end(), name);
  return found == bands.end() ? otherwise : static_cast<std::size_t>(found - bands.begin());
}

Picture blank(int height, int width) {
  return {width, height,
          std::vector<std::uint8_t>(3 * static_cast<std::size_t>(width) * static_cast<std::size_t>(height))};
}

void set(Picture& picture, std::size_t pixel, const Color& color) {
  std::copy(color.begin(), color.end(), picture.pixels.begin() + static_cast<std::ptrdiff_t>(3 * pixel));
}

}  // namespace

Picture draw_continuous(std::span<const float> values, const std::vector<std::string>& bands, int height,
                        int width) {
  Picture picture = blank(height, width);
  const std::size_t area = static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
  const std::array<std::size_t, 3> channels = {band_or(bands, "B4", 0), band_or(bands, "B3", 0),
                                               band_or(bands, "B2", 0)};
  for (std::size_t i = 0; i < area; ++i) {
    Color color{};
    bool missing = false;
    for (std::size_t c = 0; c < 3; ++c) {
      const float value = values[channels[c] * area + i];
      missing = missing || !std::isfinite(value);
      color[c] = missing ? 0 : shade(value);
    }
    set(picture, i, missing ? kMissing : color);
  }
  return picture;
}

Picture draw_classes(std::span<const std::int64_t> classes, const std::string& modality, int height,
                     int width) {
  Picture picture = blank(height, width);
  const bool dynamic_world = modality == "dynamic_world";
  for (std::size_t i = 0; i < static_cast<std::size_t>(height) * static_cast<std::size_t>(width); ++i) {
    const std::int64_t index = classes[i];
    if (dynamic_world) {
      const auto& table = geo::dynamic_world_classes();
      const bool known = index >= 0 && index < static_cast<std::int64_t>(table.size());
      set(picture, i, known ? table[static_cast<std::size_t>(index)].color : kMissing);
    } else {
      // Entry 0 of the table is "none or ocean"; class index 0 is its entry 1.
      const auto& table = geo::land_cover_classes();
      const bool known = index >= 0 && index + 1 < static_cast<std::int64_t>(table.size());
      set(picture, i, known ? table[static_cast<std::size_t>(index) + 1].color : kMissing);
    }
  }
  return picture;
}

void replace_patches(Picture& picture, std::span<const float> mask, float where, int patch_size,
                     const Picture* with) {
  const int columns = picture.width / patch_size;
  for (int y = 0; y < picture.height; ++y) {
    for (int x = 0; x < picture.width; ++x) {
      if (mask[static_cast<std::size_t>(y / patch_size * columns + x / patch_size)] != where) continue;
      const std::size_t pixel =
          static_cast<std::size_t>(y) * static_cast<std::size_t>(picture.width) + static_cast<std::size_t>(x);
      Color color = kHidden;
      if (with != nullptr)
        std::copy_n(with->pixels.begin() + static_cast<std::ptrdiff_t>(3 * pixel), 3, color.begin());
      set(picture, pixel, color);
    }
  }
}

}  // namespace terramill::report
