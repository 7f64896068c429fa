#include "support/scratch.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/process_silence.hpp>
#include <terramill/geo/image.hpp>
#include <terramill/geo/raster.hpp>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <numeric>
#include <thread>
#include <vector>

#include <sys/resource.h>

namespace terramill::geo {
namespace {

Grid utm(int width, int height, double pixel = 10) {
  return {width, height, {500000, pixel, 0, 5000000, 0, -pixel}, "EPSG:32633"};
}

template <typename T>
std::vector<T> ramp(std::size_t count) {
  std::vector<T> values(count);
  std::iota(values.begin(), values.end(), T{1});
  return values;
}

class Rasters : public testing::ScratchTest {};

template <typename T>
void expect_round_trip(const std::filesystem::path& path) {
  const Grid grid = utm(5, 4);
  const auto values = ramp<T>(40);
  write_geotiff<T>(path, grid, values, {.band_names = {"B4", "B8A"}, .no_data = 7.0});
  auto raster = Raster::open(path);
  ASSERT_TRUE(raster) << raster.error().reason;
  EXPECT_EQ(raster->grid(), grid);
  EXPECT_EQ(raster->bands(), 2);
  EXPECT_EQ(raster->band_name(2), "B8A");
  EXPECT_EQ(raster->no_data(1), 7.0);
  std::vector<T> read(40);
  EXPECT_FALSE(raster->read_all<T>({0, 0, 5, 4}, read));
  EXPECT_EQ(read, values);
}

TEST_F(Rasters, WhatIsWrittenIsRead) {
  expect_round_trip<std::uint8_t>(folder_ / "u8.tif");
  expect_round_trip<std::uint16_t>(folder_ / "u16.tif");
  expect_round_trip<std::int16_t>(folder_ / "i16.tif");
  expect_round_trip<std::int32_t>(folder_ / "i32.tif");
  expect_round_trip<float>(folder_ / "f32.tif");
  expect_round_trip<double>(folder_ / "f64.tif");
}

TEST_F(Rasters, WindowsBeginAtTheirCorner) {
  const auto values = ramp<std::uint16_t>(20);
  write_geotiff<std::uint16_t>(folder_ / "a.tif", utm(5, 4), values);
  auto raster = Raster::open(folder_ / "a.tif");
  ASSERT_TRUE(raster);
  std::vector<std::int8_t> read(4);
  EXPECT_FALSE(raster->read<std::int8_t>(1, {2, 1, 2, 2}, read));
  EXPECT_EQ(read, (std::vector<std::int8_t>{8, 9, 13, 14}));
  const Grid part = raster->grid().window(2, 1, 2, 2);
  EXPECT_EQ(part.transform[0], 500020);
  EXPECT_EQ(part.transform[3], 4999990);
  EXPECT_TRUE(raster->read<std::int8_t>(1, {4, 1, 2, 2}, read));
  EXPECT_TRUE(raster->read<std::int8_t>(2, {0, 0, 2, 2}, read));
}

TEST_F(Rasters, NearestEnlargesEachPixelToABlock) {
  write_geotiff<std::uint16_t>(folder_ / "a.tif", utm(2, 2, 60), ramp<std::uint16_t>(4));
  auto raster = Raster::open(folder_ / "a.tif");
  ASSERT_TRUE(raster);
  std::vector<std::uint16_t> read(144);
  ASSERT_FALSE(raster->read_onto<std::uint16_t>(1, utm(12, 12), Resampling::kNearest, 0, read));
  for (int row = 0; row < 12; ++row) {
    for (int column = 0; column < 12; ++column) {
      EXPECT_EQ(read[static_cast<std::size_t>(row * 12 + column)], row / 6 * 2 + column / 6 + 1);
    }
  }
}

TEST_F(Rasters, BilinearReproducesALinearRampBetweenCentres) {
  std::vector<float> values;
  for (int row = 0; row < 4; ++row) {
    for (int column = 0; column < 4; ++column) values.push_back(static_cast<float>(20 * column + 100 * row));
  }
  write_geotiff<float>(folder_ / "a.tif", utm(4, 4, 20), values);
  auto raster = Raster::open(folder_ / "a.tif");
  ASSERT_TRUE(raster);
  std::vector<float> read(64);
  ASSERT_FALSE(raster->read_onto<float>(1, utm(8, 8), Resampling::kBilinear, -1, read));
  for (int row = 1; row < 7; ++row) {
    for (int column = 1; column < 7; ++column) {
      EXPECT_NEAR(read[static_cast<std::size_t>(row * 8 + column)], 10 * column - 5 + 50 * row - 25, 1e-3);
    }
  }
}

TEST_F(Rasters, OutsideAndNoDataBecomeTheFill) {
  write_geotiff<std::int16_t>(folder_ / "a.tif", utm(2, 2), ramp<std::int16_t>(4), {.no_data = 4.0});
  auto raster = Raster::open(folder_ / "a.tif");
  ASSERT_TRUE(raster);
  std::vector<float> read(9);
  ASSERT_FALSE(raster->read_onto<float>(1, utm(3, 3), Resampling::kNearest, std::nan(""), read));
  EXPECT_EQ(read[0], 1);
  EXPECT_EQ(read[3], 3);
  for (const std::size_t pixel : {2u, 4u, 5u, 6u, 7u, 8u}) EXPECT_TRUE(std::isnan(read[pixel])) << pixel;
}

TEST_F(Rasters, AnotherCrsIsReprojected) {
  // A raster in degrees whose value is its column: longitude 15 + 0.001 column.
  Grid degrees{40, 40, {14.98, 0.001, 0, 45.18, 0, -0.001}, "EPSG:4326"};
  std::vector<std::uint16_t> values(1600);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<std::uint16_t>(i % 40);
  write_geotiff<std::uint16_t>(folder_ / "a.tif", degrees, values);
  auto raster = Raster::open(folder_ / "a.tif");
  ASSERT_TRUE(raster);
  const auto corner = from_lon_lat("EPSG:32633", {14.99, 45.17});
  const Grid target{100, 100, {corner[0], 10, 0, corner[1], 0, -10}, "EPSG:32633"};
  std::vector<std::uint16_t> read(10000);
  ASSERT_FALSE(raster->read_onto<std::uint16_t>(1, target, Resampling::kNearest, 999, read));
  for (int row = 0; row < 100; row += 7) {
    for (int column = 0; column < 100; column += 7) {
      const auto point = center_of(target.window(column, row, 1, 1));
      const double expected = (point.lon - 14.98) / 0.001;
      EXPECT_NEAR(read[static_cast<std::size_t>(row * 100 + column)] + 0.5, expected, 0.56);
    }
  }
}

TEST(Grids, CentreIsInLongitudeLatitudeOrder) {
  const auto point = center_of(utm(2, 2));
  EXPECT_NEAR(point.lon, 15.000127, 1e-5);
  EXPECT_NEAR(point.lat, 45.153, 1e-2);
  const auto back = from_lon_lat("EPSG:32633", point);
  EXPECT_NEAR(back[0], 500010, 1e-4);
  EXPECT_NEAR(back[1], 4999990, 1e-4);
  EXPECT_TRUE(std::isnan(to_lon_lat("EPSG:999999", 0, 0).lon));
  EXPECT_TRUE(std::isnan(center_of(Grid{}).lat));
}

TEST(Grids, WhatOverlapsHasBoxesThatTouch) {
  const auto at = [](const std::string& crs, double lon, double lat, int size, double pixel) {
    const auto corner = from_lon_lat(crs, {lon, lat});
    return Grid{size, size, {corner[0], pixel, 0, corner[1], 0, -pixel}, crs};
  };
  // Tiles of UTM against rasters of degrees, of another zone, of Europe's equal-area grid, and of the poles'.
  int overlapping = 0, apart = 0;
  for (const double lat : {-80.0, -33.3, 0.1, 44.9, 62.0, 83.0, 89.0}) {
    for (const double lon : {-179.99, -60.0, 9.0, 11.9, 12.01, 15.0, 179.95}) {
      const Grid tile = at(lat < 0 ? "EPSG:32733" : "EPSG:32633", lon, lat, 128, 10);
      const Grid others[] = {at("EPSG:4326", lon - 0.005, lat + 0.005, 100, 0.001),
                             at("EPSG:4326", lon + 0.5, lat, 100, 0.001),
                             at("EPSG:32632", lon, lat, 10980, 10),
                             at("EPSG:3035", lon - 8, lat + 4, 1000, 1000),
                             at("EPSG:3995", 0, 90, 1000, 2000),
                             {1000, 1000, {-1e6, 2000, 0, 1e6, 0, -2000}, "EPSG:3995"},
                             {7200, 3600, {-180, 0.05, 0, 90, 0, -0.05}, "EPSG:4326"}};
      for (const Grid& other : others) {
        const bool touch = surroundings(tile).touches(surroundings(other));
        if (overlaps(tile, other)) {
          EXPECT_TRUE(touch) << lon << ", " << lat << " in " << other.crs << " of " << other.width;
          ++overlapping;
        }
        apart += touch ? 0 : 1;
      }
    }
  }
  EXPECT_GT(overlapping, 50);
  EXPECT_GT(apart, 30);
  EXPECT_TRUE(surroundings(Grid{}).touches(surroundings(utm(4, 4)))) << "what has no place is not ruled out";
}

TEST(Grids, RoundingOfOriginsDoesNotSeparateThem) {
  const Grid a = utm(224, 224);
  Grid b = a;
  b.transform[0] += 1e-9;
  EXPECT_TRUE(same_grid(a, b));
  b.transform[0] += 1;
  EXPECT_FALSE(same_grid(a, b));
  b = a;
  b.transform[1] += 0.01;
  EXPECT_FALSE(same_grid(a, b)) << "224 columns away the corners differ by 0.22 pixels";
  b = a;
  b.crs = "EPSG:32634";
  EXPECT_FALSE(same_grid(a, b));
  b.crs.clear();
  EXPECT_TRUE(same_grid(a, b));
}

TEST_F(Rasters, TruncatedMissingAndForeignFilesAreFaultsThatSayWhy) {
  const auto path = folder_ / "a.tif";
  std::vector<float> noise(100 * 100);
  std::uint32_t state = 1;
  for (auto& value : noise) value = static_cast<float>(state = state * 1664525u + 1013904223u);
  write_geotiff<float>(path, utm(100, 100), noise);
  const auto whole = std::filesystem::file_size(path);
  int opened = 0;
  for (const auto size : {whole - 1, whole / 2, std::uintmax_t{300}, std::uintmax_t{10}}) {
    std::filesystem::resize_file(path, size);
    auto raster = Raster::open(path);
    if (!raster) {
      EXPECT_FALSE(raster.error().reason.empty());
      continue;
    }
    ++opened;
    std::vector<float> read(noise.size());
    const auto fault = raster->read<float>(1, {0, 0, 100, 100}, read);
    ASSERT_TRUE(fault) << "cut to " << size;
    EXPECT_EQ(fault->file, path);
    EXPECT_NE(fault->reason.find("truncated"), std::string::npos);
  }
  RecordProperty("opened", opened);
  auto missing = Raster::open(folder_ / "none.tif");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().reason, "the file does not exist");
}

/// A raster of noise, which does not compress, cut to a share of its bytes: it opens, and cannot be read.
void write_cut(const std::filesystem::path& path, double share) {
  std::vector<float> noise(100 * 100);
  std::uint32_t state = 1;
  for (auto& value : noise) value = static_cast<float>(state = state * 1664525u + 1013904223u);
  std::filesystem::create_directories(path.parent_path());
  write_geotiff<float>(path, utm(100, 100), noise);
  const auto bytes = static_cast<double>(std::filesystem::file_size(path));
  std::filesystem::resize_file(path, static_cast<std::uintmax_t>(share * bytes));
}

/// The errno of the IoError with which opening ends.
int error_of_opening(const std::filesystem::path& path) {
  try {
    const auto raster = Raster::open(path);
    ADD_FAILURE() << (raster ? "it opens" : raster.error().reason);
  } catch (const IoError& error) {
    return error.error_number();
  }
  return 0;
}

TEST_F(Rasters, WhatTheFileSystemRefusesIsNoFaultOfTheFile) {
  write_geotiff<std::uint16_t>(folder_ / "a.tif", utm(5, 4), ramp<std::uint16_t>(20));
  rlimit files{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  const rlimit none{0, files.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const int too_many = error_of_opening(folder_ / "a.tif");
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
  EXPECT_EQ(too_many, EMFILE);
  EXPECT_TRUE(Raster::open(folder_ / "a.tif"));
  // The first page of a process is not mapped: reading it is an input/output error.
  std::filesystem::create_symlink("/proc/self/mem", folder_ / "unreadable.tif");
  EXPECT_EQ(error_of_opening(folder_ / "unreadable.tif"), EIO);
  std::filesystem::create_directory(folder_ / "folder.tif");
  const auto folder = Raster::open(folder_ / "folder.tif");
  ASSERT_FALSE(folder);
  EXPECT_FALSE(folder.error().missing);
}

TEST_F(Rasters, AReadThatFailedIsTriedAgainOnTheFileOpenedAnew) {
  const auto path = folder_ / "a.tif";
  write_cut(path, 0.5);
  auto stale = Raster::open(path);
  ASSERT_TRUE(stale) << stale.error().reason;
  write_geotiff<float>(folder_ / "whole.tif", utm(100, 100), ramp<float>(10000));
  std::filesystem::rename(folder_ / "whole.tif", path);
  std::vector<float> read(10000);
  const auto fault = stale->read<float>(1, {0, 0, 100, 100}, read);
  EXPECT_FALSE(fault) << fault->reason;
  EXPECT_EQ(read, ramp<float>(10000));
  write_cut(path, 0.5);
  stale = Raster::open(path);
  ASSERT_TRUE(stale);
  std::filesystem::remove(path);
  const auto gone = stale->read_onto<float>(1, utm(50, 50, 20), Resampling::kNearest, 0, read);
  ASSERT_TRUE(gone);
  EXPECT_TRUE(gone->missing);
}

TEST_F(Rasters, ReasonsAreTheSameWhereverTheFileLies) {
  for (const double share : {0.99, 0.5, 0.01, 0.0001, 0.0}) {
    std::vector<std::string> reasons;
    for (const char* name : {"here/a.tif", "some/where/else/b.tif"}) {
      write_cut(folder_ / name, share);
      const auto raster = Raster::open(folder_ / name);
      std::vector<float> read(10000);
      const auto fault = raster ? raster->read<float>(1, {0, 0, 100, 100}, read) : raster.error();
      ASSERT_TRUE(fault);
      reasons.push_back(fault->reason);
    }
    EXPECT_EQ(reasons[0], reasons[1]) << share;
    EXPECT_EQ(reasons[0].find(folder_.string()), std::string::npos) << reasons[0];
  }
}

TEST_F(Rasters, OpeningAndReadingAreBeats) {
  using Clock = std::chrono::steady_clock;
  const auto beats = [](const std::function<void()>& work) {
    const auto before = Clock::now();
    work();
    const auto after = Clock::now();
    return process_silence(after) < std::chrono::duration<double>(after - before).count();
  };
  write_geotiff<float>(folder_ / "a.tif", utm(100, 100), ramp<float>(10000));
  auto raster = Raster::open(folder_ / "a.tif");
  ASSERT_TRUE(raster);
  std::vector<float> read(10000);
  EXPECT_TRUE(beats([&] { EXPECT_TRUE(Raster::open(folder_ / "a.tif")); }));
  EXPECT_TRUE(beats([&] { EXPECT_FALSE(raster->read<float>(1, {0, 0, 100, 100}, read)); }));
  EXPECT_TRUE(beats([&] { EXPECT_FALSE(raster->read_all<float>({0, 0, 100, 100}, read)); }));
  EXPECT_TRUE(beats(
      [&] { EXPECT_FALSE(raster->read_onto<float>(1, utm(100, 100, 5), Resampling::kNearest, 0, read)); }));
  EXPECT_FALSE(beats([&] { read[0] = 0; }));
}

TEST_F(Rasters, ThreadsReadTheSameFileAtOnce) {
  const auto values = ramp<std::int32_t>(64 * 64);
  write_geotiff<std::int32_t>(folder_ / "a.tif", utm(64, 64), values);
  std::vector<int> agreed(4);
  std::vector<std::jthread> threads;
  for (std::size_t t = 0; t < agreed.size(); ++t) {
    threads.emplace_back([&, t] {
      for (int repeat = 0; repeat < 20; ++repeat) {
        auto raster = Raster::open(folder_ / "a.tif");
        std::vector<std::int32_t> read(values.size());
        if (raster && !raster->read<std::int32_t>(1, {0, 0, 64, 64}, read) && read == values &&
            std::isfinite(center_of(raster->grid()).lon)) {
          ++agreed[t];
        }
      }
    });
  }
  threads.clear();
  for (const int count : agreed) EXPECT_EQ(count, 20);
}

}  // namespace
}  // namespace terramill::geo
