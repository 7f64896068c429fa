// The source mmearth-tiles against the file that MMEarth's own converter wrote from the same folder.

#include <terramill/core/hdf5.hpp>
#include <terramill/core/json.hpp>
#include <terramill/corpus/source.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace terramill::corpus {
namespace {

namespace fs = std::filesystem;

fs::path shared() {
  if (const char* folder = std::getenv("TERRAMILL_SHARED")) return folder;
  const char* source = std::getenv("TERRAMILL_SOURCE_DIR");
  return fs::path(source != nullptr ? source : ".") / ".." / "shared";
}

struct Official {
  std::vector<std::string> ids, types;
  h5::Handle file;
};

/// The tile ids and types of the compound dataset `metadata`.
Official open_official(const fs::path& path) {
  Official official;
  official.file = h5::open_file(path);
  struct Row {
    char id[101] = {}, type[11] = {};
  };
  const h5::Lock lock(h5::mutex());
  const h5::Handle id(H5Tcopy(H5T_C_S1), "type", "id"), kind(H5Tcopy(H5T_C_S1), "type", "S2_type");
  h5::check(H5Tset_size(id, 101), "type", "id");
  h5::check(H5Tset_size(kind, 11), "type", "S2_type");
  const h5::Handle row(H5Tcreate(H5T_COMPOUND, sizeof(Row)), "type", "metadata");
  h5::check(H5Tinsert(row, "tile_id", offsetof(Row, id), id), "type", "metadata");
  h5::check(H5Tinsert(row, "S2_type", offsetof(Row, type), kind), "type", "metadata");
  const h5::Handle dataset(H5Dopen2(official.file, "metadata", H5P_DEFAULT), "open", "metadata");
  std::vector<Row> rows(h5::shape_of(official.file, "metadata").at(0));
  h5::check(H5Dread(dataset, row, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows.data()), "read", "metadata");
  for (const Row& each : rows) {
    official.ids.emplace_back(each.id);
    official.types.emplace_back(each.type);
  }
  return official;
}

template <typename T>
std::vector<std::byte> bytes_of_row(hid_t file, const std::string& name, std::uint64_t row) {
  const auto values = h5::read_rows<T>(file, name, row, 1);
  const auto bytes = std::as_bytes(std::span(values));
  return {bytes.begin(), bytes.end()};
}

std::vector<std::byte> official_row(const Modality& modality, hid_t file, std::uint64_t row) {
  switch (modality.dtype) {
    case DType::kUInt8:
      return bytes_of_row<std::uint8_t>(file, modality.name, row);
    case DType::kInt8:
      return bytes_of_row<std::int8_t>(file, modality.name, row);
    case DType::kUInt16:
      return bytes_of_row<std::uint16_t>(file, modality.name, row);
    case DType::kInt16:
      return bytes_of_row<std::int16_t>(file, modality.name, row);
    case DType::kFloat32:
      return bytes_of_row<float>(file, modality.name, row);
  }
  return {};
}

/// True when all values are equal; NaN equals NaN whatever its bits.
bool equal(const Modality& modality, const std::vector<std::byte>& a, const std::vector<std::byte>& b) {
  if (modality.dtype != DType::kFloat32) return a == b;
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); i += sizeof(float)) {
    float x, y;
    std::memcpy(&x, &a[i], sizeof x);
    std::memcpy(&y, &b[i], sizeof y);
    if (x != y && !(std::isnan(x) && std::isnan(y))) return false;
  }
  return true;
}

class MmearthTiles : public testing::Test {
 protected:
  void SetUp() override {
    const fs::path data = shared() / "data" / "mmearth";
    if (!fs::exists(data / "raw")) GTEST_SKIP() << "no shared data at " << data;
    for (const auto& entry : fs::directory_iterator(data / "raw")) raw_ = entry.path();
    const fs::path converted = data / "official" / raw_.filename();
    official_ = open_official(converted / (raw_.filename().string() + ".h5"));
    tile_info_ = read_json(raw_ / (raw_.filename().string() + "_tile_info.json"));
    special_ = read_json(data / "official" / "special_tiles.json");
  }

  SourceOptions options(bool reference) const {
    SourceOptions options;
    options.kind = "mmearth-tiles";
    options.input = raw_;
    options.reference = reference;
    return options;
  }

  /// Ids of the planted tiles whose description contains `words`.
  std::vector<std::string> planted(const std::string& words) const {
    std::vector<std::string> ids;
    for (const auto& [id, what] : special_.items()) {
      if (what.get<std::string>().find(words) != std::string::npos) ids.push_back(id);
    }
    EXPECT_FALSE(ids.empty()) << words;
    return ids;
  }

  static std::vector<TileFault> faults_of(const Source& source, std::map<std::string, Tile>& tiles) {
    std::vector<TileFault> faults;
    for (std::uint64_t i = 0; i < source.candidates(); ++i) {
      auto tile = source.load(i);
      if (tile) {
        const std::string id = tile->record.tile_id;
        tiles.emplace(id, std::move(*tile));
      } else {
        faults.push_back(tile.error());
      }
    }
    return faults;
  }

  template <typename T>
  static std::vector<T> values(const Schema& schema, const Tile& tile, const std::string& modality) {
    const auto& bytes = tile.values.at(static_cast<std::size_t>(schema.index_of(modality)));
    std::vector<T> typed(bytes.size() / sizeof(T));
    std::memcpy(typed.data(), bytes.data(), bytes.size());
    return typed;
  }

  fs::path raw_;
  Official official_;
  Json tile_info_, special_;
};

TEST_F(MmearthTiles, ReferenceModeGivesTheOfficialFileInItsOrder) {
  const auto source = open_source(options(true));
  const Schema& schema = source->schema();
  EXPECT_EQ(schema.height, 64);
  ASSERT_EQ(source->candidates(), tile_info_.size());
  std::uint64_t row = 0;
  for (std::uint64_t i = 0; i < source->candidates(); ++i) {
    const auto tile = source->load(i);
    if (!tile) continue;
    ASSERT_LT(row, official_.ids.size());
    ASSERT_EQ(tile->record.tile_id, official_.ids[row]);
    EXPECT_EQ(tile->record.s2_type, official_.types[row] == "l2a" ? S2Type::kL2A : S2Type::kL1C);
    for (std::size_t m = 0; m < schema.modalities.size(); ++m) {
      EXPECT_TRUE(equal(schema.modalities[m], tile->values[m],
                        official_row(schema.modalities[m], official_.file, row)))
          << schema.modalities[m].name << " of " << tile->record.tile_id;
    }
    ++row;
  }
  EXPECT_EQ(row, official_.ids.size());
}

TEST_F(MmearthTiles, WhatTheConverterSkipsIsAFaultWithItsReason) {
  const auto skipped = planted("skipped");
  for (const bool reference : {false, true}) {
    std::map<std::string, Tile> tiles;
    const auto faults = faults_of(*open_source(options(reference)), tiles);
    ASSERT_EQ(faults.size(), skipped.size());
    for (const TileFault& fault : faults) {
      EXPECT_NE(std::ranges::find(skipped, fault.tile_id), skipped.end()) << fault.tile_id;
      EXPECT_EQ(fault.file, "merged/" + fault.tile_id + ".tif");
      const bool missing = special_.at(fault.tile_id).get<std::string>().find("missing") != std::string::npos;
      EXPECT_NE(fault.reason.find(missing ? "does not exist" : "bands where tile_info lists"),
                std::string::npos)
          << fault.reason;
    }
  }
}

TEST_F(MmearthTiles, ByDefaultEveryBandIsItsOwn) {
  std::map<std::string, Tile> right, reference;
  const auto source = open_source(options(false));
  faults_of(*source, right);
  faults_of(*open_source(options(true)), reference);
  const Schema& schema = source->schema();
  const auto shifted = planted("WITHOUT MSK_CLDPRB");
  const auto s1 = static_cast<std::size_t>(schema.index_of("sentinel1"));
  const auto world_cover = static_cast<std::size_t>(schema.index_of("esa_worldcover"));
  for (const auto& [id, tile] : right) {
    const bool is_shifted = std::ranges::find(shifted, id) != shifted.end();
    EXPECT_EQ(tile.values[world_cover] == reference.at(id).values[world_cover], !is_shifted) << id;
    EXPECT_EQ(tile.values[s1] == reference.at(id).values[s1], !is_shifted) << id;
    std::uint32_t counted = 0;
    for (int c = 0; c < kLandCoverClasses; ++c)
      counted += tile.record.land_cover[static_cast<std::size_t>(c)];
    EXPECT_EQ(counted, 64u * 64u);
    if (is_shifted) {
      EXPECT_EQ(std::ranges::count(values<std::uint8_t>(schema, tile, "esa_worldcover"), 0),
                tile.record.land_cover[0]);
      for (const auto code : values<std::uint8_t>(schema, tile, "esa_worldcover")) {
        EXPECT_TRUE(code == 0 || code % 10 == 0 || code == 95) << static_cast<int>(code);
      }
    }
  }
}

TEST_F(MmearthTiles, PlantedEdgesAreSeen) {
  std::map<std::string, Tile> tiles;
  const auto source = open_source(options(false));
  faults_of(*source, tiles);
  const Schema& schema = source->schema();
  const auto present = [&](const std::string& id, const std::string& modality) {
    return (tiles.at(id).record.present >> schema.index_of(modality) & 1u) != 0;
  };
  for (const auto& id : planted("no Sentinel-1 at all")) EXPECT_FALSE(present(id, "sentinel1")) << id;
  for (const auto& id : planted("era5 all None")) {
    EXPECT_FALSE(present(id, "era5"));
    for (const float value : values<float>(schema, tiles.at(id), "era5")) EXPECT_TRUE(std::isnan(value));
  }
  for (const auto& id : planted("HH/HV only")) {
    EXPECT_TRUE(present(id, "sentinel1"));
    const auto radar = values<float>(schema, tiles.at(id), "sentinel1");
    EXPECT_TRUE(std::isinf(radar[0])) << "ascending VV";
    EXPECT_TRUE(std::isfinite(radar[2 * 64 * 64])) << "ascending HH";
  }
  for (const auto& id : planted("canopy height no-data 255")) {
    EXPECT_GT(std::ranges::count(values<std::int8_t>(schema, tiles.at(id), "canopy_height_eth"), 127), 0)
        << id;
  }
  for (const auto& id : planted("hole of Sentinel-2 no-data")) {
    const auto optical = values<std::uint16_t>(schema, tiles.at(id), "sentinel2");
    EXPECT_EQ(std::count(optical.begin(), optical.begin() + 64 * 64, 0), 12) << id;
  }
  for (const auto& id : planted("dynamic_world value 10")) {
    EXPECT_GT(std::ranges::count(values<std::uint8_t>(schema, tiles.at(id), "dynamic_world"), 10), 0) << id;
  }
  for (const auto& [id, entry] : tile_info_.items()) {
    if (!tiles.contains(id)) continue;
    const TileRecord& record = tiles.at(id).record;
    EXPECT_EQ(present(id, "dynamic_world"), entry["BANDS"].contains("dynamic_world")) << id;
    EXPECT_EQ(present(id, "sentinel2_cloudprod"),
              std::ranges::count(entry["BANDS"]["sentinel2"], Json("MSK_CLDPRB")) == 1);
    EXPECT_TRUE(present(id, "sentinel2") && present(id, "aster") && present(id, "lat") &&
                present(id, "biome"));
    EXPECT_EQ(record.lon, entry["lon"].get<double>());
    EXPECT_EQ(record.lat, entry["lat"].get<double>());
    EXPECT_EQ(record.crs, entry["CRS"].get<std::string>());
    EXPECT_EQ(record.date, entry["S2_DATE"].get<std::string>());
    EXPECT_EQ(record.biome, entry["biome"].get<int>());
    EXPECT_EQ(record.eco_region, entry["eco_region"].get<int>());
    EXPECT_GE(record.cloud, 0);
    EXPECT_LE(record.cloud, 100);
  }
}

}  // namespace
}  // namespace terramill::corpus
