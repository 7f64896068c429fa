#include <terramill/geo/land_cover.hpp>

#include <cstdint>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

namespace terramill::geo {
namespace {

TEST(LandCover, ClassesFollowTheCodesOfWorldCover) {
  const std::vector<int> codes{0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100};
  ASSERT_EQ(codes.size(), land_cover_classes().size());
  for (std::size_t i = 0; i < codes.size(); ++i) {
    EXPECT_EQ(land_cover_classes()[i].code, codes[i]);
    EXPECT_EQ(class_of_world_cover(codes[i]), static_cast<int>(i));
  }
}

TEST(LandCover, UnknownCodesAreClassZero) {
  for (const int code : {-1, 1, 85, 255, 256, 1000}) EXPECT_EQ(class_of_world_cover(code), 0);
}

TEST(LandCover, HistogramCountsEveryPixelOnce) {
  std::vector<std::uint8_t> codes(512);
  std::iota(codes.begin(), codes.end(), std::uint8_t{0});
  const auto histogram = land_cover_histogram(codes);
  EXPECT_EQ(std::accumulate(histogram.begin(), histogram.end(), 0u), 512u);
  for (std::size_t i = 1; i < histogram.size(); ++i) EXPECT_EQ(histogram[i], 2u);
}

TEST(LandCover, EveryDynamicWorldClassHasACodeOfWorldCover) {
  for (const auto& kind : dynamic_world_classes()) {
    EXPECT_TRUE(is_world_cover(world_cover_of_dynamic_world(kind.code))) << kind.name;
  }
  EXPECT_EQ(world_cover_of_dynamic_world(0), 0);
  EXPECT_EQ(world_cover_of_dynamic_world(10), 0);
}

}  // namespace
}  // namespace terramill::geo
