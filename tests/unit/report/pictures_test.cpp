#include <terramill/report/pictures.hpp>

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

namespace terramill::report {
namespace {

TEST(Pictures, OpticalBandsBecomeRedGreenAndBlueByName) {
  // B2, B3, B4 of one pixel, in file order: the brightest is red.
  const std::vector<float> values{-2.0f, 0.0f, 2.0f};
  const Picture picture = draw_continuous(values, {"B2", "B3", "B4"}, 1, 1);
  EXPECT_EQ(picture.pixels, (std::vector<std::uint8_t>{255, 128, 0}));
}

TEST(Pictures, MissingPixelsAreMagenta) {
  const std::vector<float> values{std::nanf("")};
  EXPECT_EQ(draw_continuous(values, {"VV"}, 1, 1).pixels, (std::vector<std::uint8_t>{255, 0, 255}));
  const std::vector<std::int64_t> none{-1};
  EXPECT_EQ(draw_classes(none, "esa_worldcover", 1, 1).pixels, (std::vector<std::uint8_t>{255, 0, 255}));
}

TEST(Pictures, PatchesAreReplacedByTheMask) {
  const std::vector<float> bright(4, 2.0f), dark(4, -2.0f), mask{1, 0, 0, 1};
  Picture picture = draw_continuous(bright, {"VV"}, 2, 2);
  const Picture other = draw_continuous(dark, {"VV"}, 2, 2);
  replace_patches(picture, mask, 1, 1, &other);
  const std::vector<std::uint8_t> expected{0, 0, 0, 255, 255, 255, 255, 255, 255, 0, 0, 0};
  EXPECT_EQ(picture.pixels, expected);
}

}  // namespace
}  // namespace terramill::report
