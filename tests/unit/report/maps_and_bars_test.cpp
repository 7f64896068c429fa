#include <terramill/report/bar_chart.hpp>
#include <terramill/report/tile_map.hpp>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace terramill::report {
namespace {

std::size_t count(const std::string& text, const std::string& word) {
  std::size_t found = 0;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++found;
  return found;
}

TEST(TileMap, ShowsTheEarthForTilesFarApartAndTheirSurroundingsOtherwise) {
  const std::vector<Position> far{{-120, 40}, {140, -30}}, near{{11.2, 48.0}, {11.8, 48.3}};
  const TileMap world = tile_map("Tiles", far), region = tile_map("Tiles", near);
  EXPECT_TRUE(world.world);
  EXPECT_TRUE(world.land);
  EXPECT_FALSE(region.world);
  EXPECT_FALSE(region.land);
  EXPECT_GT(world.cell_km, 50 * region.cell_km);
  EXPECT_NE(region.svg.find("48°N"), std::string::npos);
}

TEST(TileMap, CountsEachValidPositionOnceAndLeavesOthersOut) {
  const double nothing = std::numeric_limits<double>::quiet_NaN();
  const std::vector<Position> positions{{10, 50}, {10, 50}, {-100, 0}, {nothing, 3}, {400, 3}, {5, 91}};
  const TileMap map = tile_map("Tiles", positions);
  EXPECT_EQ(map.used, 3u);
  EXPECT_NE(map.svg.find("3 positions in 2 squares"), std::string::npos);
  EXPECT_NE(map.svg.find("at most 2 in one"), std::string::npos);
}

TEST(TileMap, IsEmptyWithoutAPosition) {
  EXPECT_TRUE(tile_map("Tiles", {}).svg.empty());
  const std::vector<Position> invalid{{999, 0}};
  EXPECT_TRUE(tile_map("Tiles", invalid).svg.empty());
}

// Equal Earth: a square counts an equal area at the equator and at 60 degrees, so equally dense positions
// give equal counts. A plate carrée would count half as many per square at 60 degrees.
TEST(TileMap, SquaresHoldEqualAreasAtEveryLatitude) {
  const auto squares = [](double south, double north) {
    std::vector<Position> positions{{-179, 0}, {179, 0}};  // for a map of the Earth
    // A grid of equal density on the ground.
    for (double sine = std::sin(south * M_PI / 180); sine < std::sin(north * M_PI / 180); sine += 0.002) {
      for (double longitude = 0; longitude < 40; longitude += 0.1)
        positions.push_back({longitude, std::asin(sine) * 180 / M_PI});
    }
    const std::string svg = tile_map("Tiles", positions).svg;
    const std::size_t at = svg.find(" positions in ");
    return static_cast<double>(positions.size()) / std::stod(svg.substr(at + 14));
  };
  EXPECT_NEAR(squares(0, 20) / squares(50, 70), 1, 0.15);
}

TEST(PairedBars, TellBothSharesOfEachClass) {
  const std::string svg = paired_bars(
      "Land cover", "", {{"tree & bush", {0, 100, 0}, 0.5, 0.25}, {"water", {0, 100, 200}, 0, 0.1}});
  EXPECT_NE(svg.find("tree &amp; bush"), std::string::npos);
  EXPECT_NE(svg.find("50.0 % → 25.0 %"), std::string::npos);
  EXPECT_NE(svg.find("0.0 % → 10.0 %"), std::string::npos);
  EXPECT_NE(svg.find("#006400"), std::string::npos);
  EXPECT_EQ(count(svg, "class=\"after\""), 2u);
}

}  // namespace
}  // namespace terramill::report
