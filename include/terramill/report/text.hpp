#pragma once

#include <terramill/report/pictures.hpp>

#include <array>
#include <cstdint>
#include <string>

namespace terramill::report {

using Color = std::array<std::uint8_t, 3>;

inline constexpr int kTextHeight = 7;  ///< pixels of a line of text

/// Pixels that a line of text takes from its first to its last column.
int text_width(const std::string& text) noexcept;

/// Writes a line of text in capitals of five by seven pixels, its upper left corner at column x, row y. What
/// lies outside the picture is left out; a character without a glyph is drawn as a box.
void draw_text(Picture& picture, int x, int y, const std::string& text, const Color& color);

/// Fills a rectangle; what lies outside the picture is left out.
void fill_box(Picture& picture, int x, int y, int width, int height, const Color& color);

/// Copies `what` into the picture, every pixel as a square of `scale` x `scale`, its upper left corner at (x,
/// y).
void paste(Picture& picture, int x, int y, const Picture& what, int scale = 1);

/// A picture of one colour.
Picture plain_picture(int width, int height, const Color& color);

}  // namespace terramill::report
