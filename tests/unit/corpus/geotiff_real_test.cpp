// The shipped mappings of data-prep on real rasters (shared data; skipped where it is not there).

#include "source_folder.hpp"

#include <terramill/core/thread_pool.hpp>
#include <terramill/geo/raster.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <vector>

namespace terramill::corpus {
namespace {

class RealRasters : public SourceTest {
 protected:
  /// Opens the data set with its mapping; skips the test where the data is not there.
  std::unique_ptr<Source> open(const std::string& data, const std::string& mapping, int tile_size = 0) {
    real_ = shared() / "data" / "real" / data;
    if (!std::filesystem::exists(real_)) return nullptr;
    SourceOptions options;
    options.kind = "geotiff";
    options.input = real_;
    options.mapping = source_root() / "data-prep" / mapping;
    options.tile_size = tile_size;
    return open_source(options);
  }
  /// All tiles by id; a fault fails the test.
  static std::map<std::string, Tile> load_all(const Source& source) {
    std::map<std::string, Tile> tiles;
    for (std::uint64_t i = 0; i < source.candidates(); ++i) {
      auto tile = source.load(i);
      if (!tile) {
        ADD_FAILURE() << tile.error().tile_id << " " << tile.error().file << ": " << tile.error().reason;
        continue;
      }
      const std::string id = tile->record.tile_id;
      tiles.emplace(id, std::move(*tile));
    }
    return tiles;
  }
  /// A band of a file as it is there.
  std::vector<float> band_of(const std::string& file, int band) const {
    const auto raster = geo::Raster::open(real_ / file);
    if (!raster) return {};
    std::vector<float> pixels(static_cast<std::size_t>(raster->grid().width * raster->grid().height));
    EXPECT_FALSE(raster->read<float>(band, {0, 0, raster->grid().width, raster->grid().height}, pixels));
    return pixels;
  }
  /// The plane of one band of a tile.
  template <typename T>
  static std::vector<T> plane(const Source& source, const Tile& tile, const std::string& modality,
                              const std::string& band) {
    const Schema& schema = source.schema();
    const auto all = values<T>(source, tile, modality);
    const auto area = static_cast<std::ptrdiff_t>(schema.height) * schema.width;
    const auto begin = all.begin() + schema.find(modality)->band_index(band) * area;
    return {begin, begin + area};
  }

  std::filesystem::path real_;
};

template <typename T>
double mean(const std::vector<T>& pixels) {
  return std::accumulate(pixels.begin(), pixels.end(), 0.0) / static_cast<double>(pixels.size());
}

TEST_F(RealRasters, FivePlacesHaveAllFiveModalities) {
  const auto source = open("multimodal", "multimodal.ini");
  if (!source) GTEST_SKIP() << "no shared data at " << real_;
  const auto tiles = load_all(*source);
  ASSERT_EQ(tiles.size(), 5u);
  for (const auto& [id, tile] : tiles) {
    for (const char* modality : {"s2_l1c", "s2_l2a", "s1_rtc", "dem", "land_cover"}) {
      EXPECT_TRUE(present(*source, tile, modality)) << modality << " of " << id;
    }
    EXPECT_EQ(tile.record.crs.substr(0, 7), "EPSG:32");
    EXPECT_LE(std::abs(tile.record.lat), 60);
    EXPECT_EQ(tile.record.land_cover[0], 0u) << id;
    EXPECT_EQ(std::accumulate(tile.record.land_cover.begin(), tile.record.land_cover.end(), 0u), 224u * 224u);
    // Nothing but an offset may stand between file and tile.
    const auto vh = plane<float>(*source, tile, "s1_rtc", "VH"), in_file = band_of("S1RTC/" + id + ".tif", 2);
    EXPECT_EQ(vh, in_file) << id;
  }
}

TEST_F(RealRasters, TheOffsetGoesFromTheFilesThatHaveIt) {
  const auto source = open("multimodal", "multimodal.ini");
  if (!source) GTEST_SKIP() << "no shared data at " << real_;
  int taken_off = 0;
  for (const auto& [id, tile] : load_all(*source)) {
    EXPECT_LT(mean(plane<std::uint16_t>(*source, tile, "s2_l1c", "B10")), 100) << id;
    const double raw = mean(band_of("S2L1C/" + id + ".tif", 11)),
                 raw_red = mean(band_of("S2L1C/" + id + ".tif", 4));
    const double red = mean(plane<std::uint16_t>(*source, tile, "s2_l1c", "B4"));
    EXPECT_NEAR(raw_red - red, raw > 500 ? 1000 : 0, 1) << id;
    taken_off += raw > 500 ? 1 : 0;
    // The two products show one surface: beyond the blue bands L2A and L1C agree within the atmosphere's
    // effect.
    const double surface = mean(plane<std::uint16_t>(*source, tile, "s2_l2a", "B11"));
    const double top = mean(plane<std::uint16_t>(*source, tile, "s2_l1c", "B11"));
    EXPECT_NEAR(surface, top, 300) << id;
  }
  EXPECT_EQ(taken_off, 3);
}

TEST_F(RealRasters, SmallerTilesAreCutFromTheSamePixels) {
  const auto whole = open("multimodal", "multimodal.ini"), cut = open("multimodal", "multimodal.ini", 64);
  if (!whole) GTEST_SKIP() << "no shared data at " << real_;
  const auto places = load_all(*whole), chips = load_all(*cut);
  ASSERT_EQ(chips.size(), 45u);
  for (const auto& [id, place] : places) {
    const auto large = plane<std::uint16_t>(*whole, place, "s2_l2a", "B8A");
    const auto small = plane<std::uint16_t>(*cut, chips.at(id + "_r2_c1"), "s2_l2a", "B8A");
    for (std::size_t row = 0; row < 64; ++row) {
      for (std::size_t column = 0; column < 64; ++column) {
        ASSERT_EQ(small[row * 64 + column], large[(128 + row) * 224 + 64 + column]) << id;
      }
    }
  }
}

TEST_F(RealRasters, EuroSatHasTenClassesAndItsBandsInPlace) {
  const auto source = open("eurosat_ms", "eurosat-ms.ini");
  if (!source) GTEST_SKIP() << "no shared data at " << real_;
  const auto names = source->describe()["label_names"].get<std::vector<std::string>>();
  ASSERT_EQ(names.size(), 10u);
  const auto tiles = load_all(*source);
  EXPECT_EQ(tiles.size(), source->candidates());
  std::set<int> labels;
  for (const auto& [id, tile] : tiles) {
    ASSERT_GE(tile.record.label, 0) << id;
    const std::string& folder = names[static_cast<std::size_t>(tile.record.label)];
    EXPECT_EQ(id.substr(0, folder.size()), folder);
    labels.insert(tile.record.label);
    EXPECT_EQ(tile.record.s2_type, S2Type::kL1C);
    const auto narrow = plane<std::uint16_t>(*source, tile, "s2_l1c", "B8A");
    const auto in_file = band_of(folder + "/" + id + ".tif", 13);
    EXPECT_TRUE(std::equal(narrow.begin(), narrow.end(), in_file.begin(), in_file.end())) << id;
    EXPECT_NEAR(tile.record.lon, 10, 25);
  }
  EXPECT_EQ(labels.size(), 10u);
}

TEST_F(RealRasters, MajorTomCellsGiveFourTilesOfMixedResolution) {
  const auto source = open("majortom_s2l2a", "majortom-core.ini");
  if (!source) GTEST_SKIP() << "no shared data at " << real_;
  const auto tiles = load_all(*source);
  ASSERT_EQ(tiles.size(), 8u);
  for (const auto& [id, tile] : tiles) {
    EXPECT_TRUE(present(*source, tile, "s2_l2a")) << id;
    EXPECT_FALSE(present(*source, tile, "s2_l1c")) << id;
    EXPECT_EQ(tile.record.cloud, 0) << "the mask says clear, even over clouds";
    EXPECT_EQ(tile.record.date, id.starts_with("0U") ? "2022-07-06" : "2020-02-23");
    const double wide = mean(plane<std::uint16_t>(*source, tile, "s2_l2a", "B8"));
    const double narrow = mean(plane<std::uint16_t>(*source, tile, "s2_l2a", "B8A"));
    EXPECT_NEAR(narrow / wide, 1, 0.15) << "10 m and 20 m see the same ground: " << id;
    const auto coarse = plane<std::uint16_t>(*source, tile, "s2_l2a", "B9");
    EXPECT_EQ(std::ranges::count(coarse, 0), 0) << id;
  }
}

TEST_F(RealRasters, BigEarthNetPairsAreJoinedThroughTheirJson) {
  const auto source = open("bigearthnet_pairs", "bigearthnet.ini");
  if (!source) GTEST_SKIP() << "no shared data at " << real_;
  const auto tiles = load_all(*source);
  ASSERT_EQ(tiles.size(), 6u);
  const auto names = source->describe()["label_names"].get<std::vector<std::string>>();
  ASSERT_EQ(names.size(), 43u);
  for (const auto& [id, tile] : tiles) {
    EXPECT_TRUE(present(*source, tile, "s2_l2a") && present(*source, tile, "s1_rtc")) << id;
    EXPECT_NE(tile.record.label_bits, 0u);
    EXPECT_EQ(tile.record.date.substr(0, 2), "20");
  }
  const auto& pastures = tiles.at("S2A_MSIL2A_20170617T113321_36_85").record;
  const auto bit = std::ranges::find(names, "Pastures") - names.begin();
  EXPECT_NE(pastures.label_bits >> bit & 1u, 0u);
}

TEST_F(RealRasters, ThreadsGetTheSameTiles) {
  const auto source = open("multimodal", "multimodal.ini", 64);
  if (!source) GTEST_SKIP() << "no shared data at " << real_;
  const auto expected = load_all(*source);
  const auto fresh = open("multimodal", "multimodal.ini", 64);
  ThreadPool pool(4);
  std::vector<std::future<Tile>> tiles;
  for (std::uint64_t i = 0; i < fresh->candidates(); ++i) {
    tiles.push_back(pool.submit([&fresh, i] { return std::move(*fresh->load(i)); }));
  }
  for (auto& each : tiles) {
    const Tile tile = each.get();
    const Tile& other = expected.at(tile.record.tile_id);
    EXPECT_EQ(tile.values, other.values);
    EXPECT_EQ(tile.record.present, other.record.present);
  }
}

}  // namespace
}  // namespace terramill::corpus
