#include <terramill/report/text.hpp>

#include <algorithm>
#include <cctype>
#include <map>

namespace terramill::report {

namespace {

constexpr int kGlyphWidth = 5, kAdvance = 6;

/// Rows from the top; the bit of value 16 is the leftmost column.
using Glyph = std::array<std::uint8_t, kTextHeight>;

const std::map<char, Glyph>& glyphs() {
  static const std::map<char, Glyph> table = {
      {' ', {0, 0, 0, 0, 0, 0, 0}},        {'A', {14, 17, 17, 31, 17, 17, 17}},
      {'B', {30, 17, 17, 30, 17, 17, 30}}, {'C', {14, 17, 16, 16, 16, 17, 14}},
      {'D', {30, 17, 17, 17, 17, 17, 30}}, {'E', {31, 16, 16, 30, 16, 16, 31}},
      {'F', {31, 16, 16, 30, 16, 16, 16}}, {'G', {14, 17, 16, 19, 17, 17, 14}},
      {'H', {17, 17, 17, 31, 17, 17, 17}}, {'I', {14, 4, 4, 4, 4, 4, 14}},
      {'J', {7, 2, 2, 2, 2, 18, 12}},      {'K', {17, 18, 20, 24, 20, 18, 17}},
      {'L', {16, 16, 16, 16, 16, 16, 31}}, {'M', {17, 27, 21, 21, 17, 17, 17}},
      {'N', {17, 25, 21, 19, 17, 17, 17}}, {'O', {14, 17, 17, 17, 17, 17, 14}},
      {'P', {30, 17, 17, 30, 16, 16, 16}}, {'Q', {14, 17, 17, 17, 21, 18, 13}},
      {'R', {30, 17, 17, 30, 20, 18, 17}}, {'S', {15, 16, 16, 14, 1, 1, 30}},
      {'T', {31, 4, 4, 4, 4, 4, 4}},       {'U', {17, 17, 17, 17, 17, 17, 14}},
      {'V', {17, 17, 17, 17, 17, 10, 4}},  {'W', {17, 17, 17, 21, 21, 27, 17}},
      {'X', {17, 17, 10, 4, 10, 17, 17}},  {'Y', {17, 17, 10, 4, 4, 4, 4}},
      {'Z', {31, 1, 2, 4, 8, 16, 31}},     {'0', {14, 17, 19, 21, 25, 17, 14}},
      {'1', {4, 12, 4, 4, 4, 4, 14}},      {'2', {14, 17, 1, 6, 8, 16, 31}},
      {'3', {30, 1, 1, 14, 1, 1, 30}},     {'4', {2, 6, 10, 18, 31, 2, 2}},
      {'5', {31, 16, 30, 1, 1, 17, 14}},   {'6', {6, 8, 16, 30, 17, 17, 14}},
      {'7', {31, 1, 2, 4, 4, 4, 4}},       {'8', {14, 17, 17, 14, 17, 17, 14}},
      {'9', {14, 17, 17, 15, 1, 2, 12}},   {'.', {0, 0, 0, 0, 0, 12, 12}},
      {',', {0, 0, 0, 0, 4, 4, 8}},        {':', {0, 12, 12, 0, 12, 12, 0}},
      {'-', {0, 0, 0, 31, 0, 0, 0}},       {'_', {0, 0, 0, 0, 0, 0, 31}},
      {'+', {0, 4, 4, 31, 4, 4, 0}},       {'=', {0, 0, 31, 0, 31, 0, 0}},
      {'/', {1, 1, 2, 4, 8, 16, 16}},      {'(', {2, 4, 8, 8, 8, 4, 2}},
      {')', {8, 4, 2, 2, 2, 4, 8}},        {'%', {24, 25, 2, 4, 8, 19, 3}},
      {'\'', {4, 4, 8, 0, 0, 0, 0}},       {'*', {0, 21, 14, 31, 14, 21, 0}},
  };
  return table;
}

void set(Picture& picture, int x, int y, const Color& color) {
  if (x < 0 || y < 0 || x >= picture.width || y >= picture.height) return;
  const std::size_t pixel =
      static_cast<std::size_t>(y) * static_cast<std::size_t>(picture.width) + static_cast<std::size_t>(x);
  std::copy(color.begin(), color.end(), picture.pixels.begin() + static_cast<std::ptrdiff_t>(3 * pixel));
}

}  // namespace

int text_width(const std::string& text) noexcept {
  return text.empty() ? 0 : static_cast<int>(text.size()) * kAdvance - 1;
}

void draw_text(Picture& picture, int x, int y, const std::string& text, const Color& color) {
  constexpr Glyph kBox = {31, 17, 17, 17, 17, 17, 31};
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto capital = static_cast<char>(std::toupper(static_cast<unsigned char>(text[i])));
    const auto found = glyphs().find(capital);
    const Glyph& glyph = found == glyphs().end() ? kBox : found->second;
    for (int row = 0; row < kTextHeight; ++row) {
      for (int column = 0; column < kGlyphWidth; ++column) {
        if ((glyph[static_cast<std::size_t>(row)] >> (kGlyphWidth - 1 - column) & 1) == 0) continue;
        set(picture, x + static_cast<int>(i) * kAdvance + column, y + row, color);
      }
    }
  }
}

void fill_box(Picture& picture, int x, int y, int width, int height, const Color& color) {
  for (int row = y; row < y + height; ++row) {
    for (int column = x; column < x + width; ++column) set(picture, column, row, color);
  }
}

void paste(Picture& picture, int x, int y, const Picture& what, int scale) {
  for (int row = 0; row < what.height; ++row) {
    for (int column = 0; column < what.width; ++column) {
      const auto pixel = static_cast<std::ptrdiff_t>(3) * (row * what.width + column);
      Color color{};
      std::copy_n(what.pixels.begin() + pixel, 3, color.begin());
      fill_box(picture, x + column * scale, y + row * scale, scale, scale, color);
    }
  }
}

Picture plain_picture(int width, int height, const Color& color) {
  Picture picture{width, height, {}};
  picture.pixels.resize(3 * static_cast<std::size_t>(width) * static_cast<std::size_t>(height));
  fill_box(picture, 0, 0, width, height, color);
  return picture;
}

}  // namespace terramill::report
