#include <terramill/report/attention.hpp>
#include <terramill/report/text.hpp>
#include <terramill/report/tile_sheet.hpp>

#include <algorithm>
#include <cstring>
#include <limits>

#include <gtest/gtest.h>

namespace terramill::report {
namespace {

Color color_at(const Picture& picture, int x, int y) {
  const std::size_t pixel = 3 * static_cast<std::size_t>(y * picture.width + x);
  return {picture.pixels[pixel], picture.pixels[pixel + 1], picture.pixels[pixel + 2]};
}

std::ptrdiff_t pixels_of(const Picture& picture, const Color& color) {
  std::ptrdiff_t count = 0;
  for (int y = 0; y < picture.height; ++y) {
    for (int x = 0; x < picture.width; ++x) count += color_at(picture, x, y) == color ? 1 : 0;
  }
  return count;
}

/// A tile of schema majortom, 16 x 16, with a DEM that rises to the right and `missing` rows without data.
corpus::Tile tile_with_dem(const corpus::Schema& schema, int missing) {
  corpus::Tile tile;
  tile.record.tile_id = "A1";
  for (const corpus::Modality& modality : schema.modalities)
    tile.values.emplace_back(schema.tile_bytes(modality));
  const auto dem = static_cast<std::size_t>(schema.index_of("dem"));
  tile.record.present = 1u << dem;
  for (int i = 0; i < 256; ++i) {
    const float height =
        i / 16 < missing ? std::numeric_limits<float>::quiet_NaN() : static_cast<float>(i % 16);
    std::memcpy(tile.values[dem].data() + static_cast<std::size_t>(i) * sizeof height, &height,
                sizeof height);
  }
  return tile;
}

TEST(TileSheet, ShowsOnlyWhatTheTileHas) {
  const corpus::Schema schema = corpus::majortom_schema(16);
  const Picture one = draw_tile_sheet(schema, tile_with_dem(schema, 0));
  corpus::Tile both = tile_with_dem(schema, 0);
  both.record.present |= 1u << schema.index_of("land_cover");
  const Picture two = draw_tile_sheet(schema, both);
  EXPECT_LT(one.width, two.width);
}

TEST(TileSheet, NoDataIsMagenta) {
  const corpus::Schema schema = corpus::majortom_schema(16);
  const Color magenta = {255, 0, 255};
  EXPECT_EQ(pixels_of(draw_tile_sheet(schema, tile_with_dem(schema, 0)), magenta), 0);
  // Four of sixteen rows of a panel of 192 x 192.
  EXPECT_EQ(pixels_of(draw_tile_sheet(schema, tile_with_dem(schema, 4)), magenta), 192 * 48);
}

TEST(Text, StaysInsideThePictureAndItsWidth) {
  const Color ink = {0, 0, 0};
  Picture picture = plain_picture(20, 9, {255, 255, 255});
  draw_text(picture, -3, -3, "WIDER THAN THE PICTURE", ink);
  Picture word = plain_picture(40, 9, {255, 255, 255});
  draw_text(word, 0, 1, "Tile", ink);
  EXPECT_GT(pixels_of(word, ink), 20);
  for (int x = text_width("Tile"); x < word.width; ++x) {
    for (int y = 0; y < word.height; ++y) EXPECT_NE(color_at(word, x, y), ink);
  }
}

TEST(Heat, IsBrightestWhereItIsGreatest) {
  const Picture under = plain_picture(32, 32, {128, 128, 128});
  const std::vector<float> heat = {0, 0, 0, 1};  // 2 x 2
  const Picture drawn = draw_heat(under, heat, 2, 2);
  const auto brightness = [&](int x, int y) {
    const Color color = color_at(drawn, x, y);
    return color[0] + color[1] + color[2];
  };
  EXPECT_GT(brightness(31, 31), brightness(0, 0));
  EXPECT_GT(brightness(31, 31), brightness(16, 16));
  EXPECT_EQ(color_at(drawn, 0, 0), color_at(drawn, 0, 31)) << "where the heat is equal, so is the colour";
}

}  // namespace
}  // namespace terramill::report
