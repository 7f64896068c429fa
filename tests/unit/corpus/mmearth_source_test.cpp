#include "mmearth_folder.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace terramill::corpus {
namespace {

using MmearthSource = MmearthTest;

TEST_F(MmearthSource, BandsGoByNameAndValuesRoundByDefault) {
  table({{"7", entry()}});
  tile("7");
  const auto source = open_source(options());
  const auto loaded = source->load(0);
  ASSERT_TRUE(loaded) << loaded.error().reason;
  const auto optical = values<std::uint16_t>(*source, *loaded, "sentinel2");
  for (std::size_t band = 0; band < 13; ++band) EXPECT_EQ(optical[band * 16], 10 * band + 1);
  EXPECT_EQ(values<std::int16_t>(*source, *loaded, "aster")[0], 161);
  EXPECT_EQ(values<float>(*source, *loaded, "sentinel1")[4 * 16], 140.6F) << "descending VV";
  EXPECT_EQ(values<std::int8_t>(*source, *loaded, "canopy_height_eth")[0], 126) << "valid, so not 127";
  EXPECT_FALSE(present(*source, *loaded, "dynamic_world"));
  EXPECT_EQ(loaded->record.land_cover[1], 16u);
  EXPECT_EQ(loaded->record.transform[0], 500010) << "the corner of the cropped tile";
  const auto era5 = values<float>(*source, *loaded, "era5");
  EXPECT_TRUE(std::isnan(era5[3]));
  EXPECT_EQ(era5[11], 11);
  EXPECT_EQ(values<std::uint16_t>(*source, *loaded, "eco_region")[845], 1);

  auto as_reference = options();
  as_reference.reference = true;
  const auto reference = open_source(as_reference);
  const auto truncated = reference->load(0);
  ASSERT_TRUE(truncated);
  EXPECT_EQ(values<std::uint16_t>(*reference, *truncated, "sentinel2")[0], 0);
  EXPECT_EQ(values<std::int8_t>(*reference, *truncated, "canopy_height_eth")[0], 127);
}

TEST_F(MmearthSource, CandidatesKeepTheOrderOfTheTable) {
  Json entries;
  for (const char* id : {"9", "10", "1", "weird \"id\" \\ {[,"}) entries[id] = entry();
  table(entries);
  tile("1");
  const auto source = open_source(options());
  ASSERT_EQ(source->candidates(), 4u);
  EXPECT_EQ(source->load(0).error().tile_id, "9");
  EXPECT_EQ(source->load(1).error().file, "merged/10.tif");
  EXPECT_TRUE(source->load(2));
  EXPECT_EQ(source->load(3).error().tile_id, "weird \"id\" \\ {[,");
}

TEST_F(MmearthSource, WhatCannotBeATileIsAFaultThatSaysWhy) {
  Json entries;
  for (const char* id : {"small", "bands", "cut", "date", "key", "type", "biome", "band", "era5"})
    entries[id] = entry();
  entries["date"]["S2_DATE"] = "2019-13-01";
  entries["key"].erase("lat");
  entries["type"]["lon"] = "east";
  entries["biome"]["biome"] = 14;
  entries["band"]["BANDS"]["sentinel2"][0] = "B0";
  entries["era5"]["era5"].erase("year");
  table(entries);
  tile("small", 3);
  tile("bands", 6, 20);
  tile("band");
  tile("cut", 60);
  std::filesystem::resize_file(folder_ / "merged" / "cut.tif",
                               std::filesystem::file_size(folder_ / "merged" / "cut.tif") / 2);
  const auto source = open_source(options());
  const std::vector<std::string> reasons{"smaller than tiles of 4",
                                         "has 20 bands where tile_info lists 21",
                                         "",
                                         "S2_DATE \"2019-13-01\" is no date",
                                         "its entry has no key \"lat\"",
                                         "\"lon\" has the wrong type",
                                         "biome is not a whole number from 0 to 13",
                                         "the sentinel2 band \"B0\"",
                                         "era5 has no key \"year\""};
  for (std::size_t i = 0; i < reasons.size(); ++i) {
    const auto loaded = source->load(i);
    ASSERT_FALSE(loaded) << i;
    EXPECT_NE(loaded.error().reason.find(reasons[i]), std::string::npos) << loaded.error().reason;
    EXPECT_FALSE(loaded.error().reason.empty());
  }
}

TEST_F(MmearthSource, ATableCutAnywhereIsRefusedWithItsPlace) {
  table({{"1", entry()}, {"2", entry()}});
  tile("1");
  const std::string whole = dump_json({{"1", entry()}, {"2", entry()}}, 1);
  for (std::size_t size = 0; size < whole.size(); size += 7) {
    write("a_tile_info.json", whole.substr(0, size));
    const auto error = error_of<FormatError>([&] { open_source(options()); });
    ASSERT_NE(error.find("a_tile_info.json:"), std::string::npos) << error;
    ASSERT_NE(error.find("(byte " + std::to_string(size) + ")"), std::string::npos) << error;
  }
  write("a_tile_info.json", whole);
  EXPECT_EQ(open_source(options())->candidates(), 2u);
}

TEST_F(MmearthSource, OtherDamageToTheTableIsRefused) {
  std::filesystem::create_directories(folder_ / "merged");
  const auto refuse = [&](const std::string& text, const std::string& words) {
    write("a_tile_info.json", text);
    const auto error = error_of<FormatError>([&] { open_source(options()); });
    EXPECT_NE(error.find(words), std::string::npos) << error;
  };
  refuse("{\"1\": {}, \"2\": {}, \"1\": {}}", "\"1\" is there twice: at byte 1 and at byte 19");
  refuse("[]", "expected '{' and found '['");
  refuse("{\"1\": []}", "expected '{' and found '['");
  refuse("{\"1\": {},}", "expected '\"' and found '}'");
  refuse("{\"1\": {}}\n{}", ":2 (byte 10): something stands behind the closing brace");
  refuse("{}", "names no tile");
}

TEST_F(MmearthSource, AFolderThatIsNoMmearthFolderIsRefusedWithAdvice) {
  EXPECT_NE(error_of<UsageError>([&] { open_source(options()); }).find("merged"), std::string::npos);
  std::filesystem::create_directories(folder_ / "merged");
  EXPECT_NE(error_of<UsageError>([&] { open_source(options()); }).find("tile_info.json"), std::string::npos);
  auto unknown = options();
  unknown.kind = "mmearth-tile";
  EXPECT_NE(error_of<UsageError>([&] { open_source(unknown); }).find("did you mean mmearth-tiles?"),
            std::string::npos);
  auto shares = options();
  shares.test_share = 0.7;
  shares.validation_share = 0.7;
  error_of<UsageError>([&] { open_source(shares); });
}

TEST_F(MmearthSource, SplitsFollowTheBlockNotTheTile) {
  Json entries;
  for (int i = 0; i < 200; ++i) {
    const auto id = std::to_string(i);
    entries[id] = entry();
    // Pairs of neighbours, 11 km apart, along the equator, where blocks begin at every quarter of a degree.
    entries[id]["lat"] = 0.125;
    entries[id]["lon"] = 0.05 + 0.25 * (i / 2) + 0.1 * (i % 2);
    tile(id);
  }
  table(entries);
  auto with_shares = options();
  with_shares.validation_share = 0.25;
  with_shares.test_share = 0.25;
  const auto source = open_source(with_shares);
  std::vector<Split> splits;
  for (std::uint64_t i = 0; i < source->candidates(); ++i) splits.push_back(source->load(i)->record.split);
  for (std::size_t i = 0; i < splits.size(); i += 2) EXPECT_EQ(splits[i], splits[i + 1]) << i;
  EXPECT_NEAR(std::ranges::count(splits, Split::kTest), 50, 28);
  EXPECT_NEAR(std::ranges::count(splits, Split::kValidation), 50, 28);
  with_shares.split_seed = 1;
  const auto reseeded = open_source(with_shares);
  std::size_t moved = 0;
  for (std::uint64_t i = 0; i < splits.size(); ++i)
    moved += reseeded->load(i)->record.split != splits[i] ? 1 : 0;
  EXPECT_GT(moved, 25u);
}

}  // namespace
}  // namespace terramill::corpus
