#include "support/scratch.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/geo/image.hpp>
#include <terramill/geo/raster.hpp>

#include <cstdint>
#include <filesystem>
#include <vector>

namespace terramill::geo {
namespace {

class Images : public testing::ScratchTest {};

TEST_F(Images, PngHoldsThePixelsAndRepeatsItsBytes) {
  const std::vector<std::uint8_t> pixels{255, 0, 0, 0, 255, 0, 0, 0, 255, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  write_png(folder_ / "a.png", 3, 2, pixels);
  write_png(folder_ / "b.png", 3, 2, pixels);
  EXPECT_EQ(read_bytes(folder_ / "a.png"), read_bytes(folder_ / "b.png"));
  auto raster = Raster::open(folder_ / "a.png");
  ASSERT_TRUE(raster);
  EXPECT_EQ(raster->bands(), 3);
  std::vector<std::uint8_t> green(6);
  ASSERT_FALSE(raster->read<std::uint8_t>(2, {0, 0, 3, 2}, green));
  EXPECT_EQ(green, (std::vector<std::uint8_t>{0, 255, 0, 2, 5, 8}));
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    EXPECT_EQ(entry.path().extension(), ".png") << "no side files, nothing temporary: " << entry.path();
  }
}

TEST_F(Images, GeoTiffRepeatsItsBytes) {
  const Grid grid{2, 2, {1, 2, 0, 3, 0, -2}, "EPSG:32633"};
  const std::vector<float> values{1, 2, 3, 4};
  write_geotiff<float>(folder_ / "a.tif", grid, values);
  write_geotiff<float>(folder_ / "b.tif", grid, values);
  EXPECT_EQ(read_bytes(folder_ / "a.tif"), read_bytes(folder_ / "b.tif"));
}

TEST_F(Images, WhatCannotBeWrittenIsAnErrorWithThePath) {
  const std::vector<std::uint8_t> pixels(3);
  try {
    write_png(folder_ / "none" / "a.png", 1, 1, pixels);
    FAIL();
  } catch (const IoError& error) {
    EXPECT_NE(std::string(error.what()).find("none"), std::string::npos);
  }
  EXPECT_THROW(write_png(folder_ / "a.png", 2, 1, pixels), Error);
  EXPECT_THROW(write_geotiff<std::uint8_t>(folder_ / "a.tif", Grid{2, 2, {}, ""}, pixels), Error);
  EXPECT_THROW(write_geotiff<std::uint8_t>(folder_ / "a.tif", Grid{1, 1, {}, "EPSG:1"}, pixels), FormatError);
}

}  // namespace
}  // namespace terramill::geo
