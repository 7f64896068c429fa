#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace terramill::report {

/// An RGB image, rows from the top: pixels [height, width, 3].
struct Picture {
  int width = 0, height = 0;
  std::vector<std::uint8_t> pixels;
};

/// Pixels of a modality as a person sees them. Values are normalised (0 = the corpus's mean, 1 = a standard
/// deviation), [C, height, width]; NaN is drawn in magenta. Optical bands (B4, B3, B2 among the names) become
/// red, green and blue, anything else its first band in grey; -2 … 2 standard deviations are black … white.
Picture draw_continuous(std::span<const float> values, const std::vector<std::string>& bands, int height,
                        int width);

/// Class indices [height, width], -1 = none, in the official colours: Dynamic World for the modality
/// "dynamic_world", ESA WorldCover otherwise.
Picture draw_classes(std::span<const std::int64_t> classes, const std::string& modality, int height,
                     int width);

/// Replaces the patches whose mask value is `where` by those of `with`, or by grey where that is null: `mask`
/// [L], 1 = removed, patches row-major.
void replace_patches(Picture& picture, std::span<const float> mask, float where, int patch_size,
                     const Picture* with);

}  // namespace terramill::report
