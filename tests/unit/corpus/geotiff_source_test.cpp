#include "geotiff_folder.hpp"

#include <array>
#include <cmath>
#include <fstream>
#include <string>
#include <vector>

namespace terramill::corpus {
namespace {

using GeotiffSource = GeotiffTest;

TEST_F(GeotiffSource, BandsGoByName) {
  raster<double>("s1/p.tif", utm(4, 4), 2,
                 [](int band, int row, int column) { return -10 * band - row - 0.25 * column; });
  const auto opened = open(source() + radar());
  const auto tile = opened->load(0);
  ASSERT_TRUE(tile) << tile.error().reason;
  const auto radar = values<float>(*opened, *tile, "s1_rtc");
  EXPECT_EQ(radar[0], -10) << "VV is second in the file and first in the schema";
  EXPECT_EQ(radar[16 + 5], -1.25F);
  EXPECT_TRUE(present(*opened, *tile, "s1_rtc"));
  EXPECT_FALSE(present(*opened, *tile, "dem"));
  EXPECT_TRUE(std::isnan(values<float>(*opened, *tile, "dem")[0])) << "absent is filled with no-data";
  EXPECT_EQ(tile->record.crs, "EPSG:32633");
  EXPECT_NEAR(tile->record.lon, 15.0003, 1e-3);
  EXPECT_EQ(tile->record.land_cover[0], 16u);
}

TEST_F(GeotiffSource, PlacesAreJoinedByIdAndSortedByIt) {
  for (const char* id : {"b", "a", "c"})
    raster<float>("s1/" + std::string(id) + ".tif", utm(4, 4), 2, [](int, int, int) { return 1; });
  for (const char* id : {"c", "d"})
    raster<float>("dem/" + std::string(id) + ".tif", utm(4, 4), 1, [](int, int, int) { return 5; });
  const auto opened = open(source() + radar() + "[modality.dem]\nfiles = dem/{id}.tif\nbands = elevation\n");
  ASSERT_EQ(opened->candidates(), 4u);
  std::string ids, both;
  for (std::uint64_t i = 0; i < 4; ++i) {
    const auto tile = opened->load(i);
    ASSERT_TRUE(tile);
    ids += tile->record.tile_id;
    if (present(*opened, *tile, "s1_rtc") && present(*opened, *tile, "dem")) both += tile->record.tile_id;
  }
  EXPECT_EQ(ids, "abcd");
  EXPECT_EQ(both, "c");
}

TEST_F(GeotiffSource, CuttingCoversTheRasterRowByRow) {
  raster<float>("s1/p.tif", utm(9, 8), 2, [](int, int row, int column) { return 100 * row + column; });
  const auto opened = open(source("cut = yes") + radar());
  ASSERT_EQ(opened->candidates(), 4u);
  const std::vector<std::string> ids{"p_r0_c0", "p_r0_c1", "p_r1_c0", "p_r1_c1"};
  const std::vector<float> corners{0, 4, 400, 404};
  for (std::uint64_t i = 0; i < 4; ++i) {
    const auto tile = opened->load(i);
    ASSERT_TRUE(tile);
    EXPECT_EQ(tile->record.tile_id, ids[i]);
    EXPECT_EQ(values<float>(*opened, *tile, "s1_rtc")[0], corners[i]);
    EXPECT_EQ(tile->record.transform[0], 500000 + 40.0 * static_cast<double>(i % 2));
    EXPECT_EQ(tile->record.transform[3], 5000000 - 40.0 * static_cast<double>(i / 2));
  }
}

TEST_F(GeotiffSource, BadRastersAreFaultsThatSayWhy) {
  const auto write_radar = [&](const std::string& id, const geo::Grid& grid, int bands) {
    raster<float>("s1/" + id + ".tif", grid, bands,
                  [](int band, int row, int column) { return std::sin(band + 7 * row + 31 * column); });
  };
  write_radar("a_bands", utm(40, 40), 3);
  write_radar("b_size", utm(41, 40), 2);
  write_radar("c_cut", utm(40, 40), 2);
  write_radar("d_grid", utm(40, 40), 2);
  write_radar("e_crs", utm(40, 40), 2);
  write_radar("f_good", utm(40, 40), 2);
  write("s1/g_text.tif", "no raster at all");
  std::filesystem::resize_file(folder_ / "s1/c_cut.tif",
                               std::filesystem::file_size(folder_ / "s1/c_cut.tif") - 500);
  raster<float>("dem/d_grid.tif", utm(40, 40, 10, 500005), 1, [](int, int, int) { return 1; });
  auto elsewhere = utm(40, 40);
  elsewhere.crs = "EPSG:32634";
  raster<float>("dem/e_crs.tif", elsewhere, 1, [](int, int, int) { return 1; });
  raster<float>("dem/f_good.tif", utm(40, 40, 10, 500000 + 1e-7), 1, [](int, int, int) { return 1; });
  const auto opened =
      open(source("", 40) + radar() + "[modality.dem]\nfiles = dem/{id}.tif\nbands = elevation\n");
  ASSERT_EQ(opened->candidates(), 7u);
  expect_fault(*opened, 0, "s1/a_bands.tif", "has 3 bands where [modality.s1_rtc] names 2");
  expect_fault(*opened, 1, "s1/b_size.tif", "is 41x40 pixels where tiles are 40x40; cut = yes");
  expect_fault(*opened, 2, "s1/c_cut.tif", "");
  expect_fault(*opened, 3, "dem/d_grid.tif", "lies on another grid");
  expect_fault(*opened, 4, "dem/e_crs.tif", "EPSG:32634");
  EXPECT_TRUE(opened->load(5)) << "origins that differ by rounding agree";
  expect_fault(*opened, 6, "s1/g_text.tif", "cannot be opened");
}

TEST_F(GeotiffSource, RequiredModalitiesMustHaveData) {
  raster<float>("s1/p.tif", utm(4, 4), 2, [](int, int, int) { return 1; });
  raster<float>("dem/q.tif", utm(4, 4), 1, [](int, int, int) { return 1; });
  const auto opened =
      open(source() + radar() + "[modality.dem]\nfiles = dem/{id}.tif\nbands = elevation\nrequired = yes\n");
  expect_fault(*opened, 0, "dem/{id}.tif", "[modality.dem] is required");
  EXPECT_TRUE(opened->load(1));
}

TEST_F(GeotiffSource, BandsOfMixedResolutionMeetOnTheFinest) {
  raster("p_B02.tif", utm(12, 12), 1, [](int, int row, int column) { return 1 + row * 12 + column; });
  raster("p_B05.tif", utm(6, 6, 20), 1, [](int, int row, int column) { return 100 + 10 * row + column; });
  raster("p_B01.tif", utm(2, 2, 60), 1, [](int, int row, int column) { return 1000 + 100 * row + column; });
  raster("p_AOT.tif", utm(12, 12), 1, [](int, int, int) { return 9; });
  const std::string modality =
      "[modality.s2_l2a]\nfiles = {id}_{band}.tif\nbands = B01:B1, B02:B2, B05:B5\nresampling = ";
  const auto opened = open(source("", 12) + modality + "nearest\n");
  ASSERT_EQ(opened->candidates(), 1u);
  const auto tile = opened->load(0);
  ASSERT_TRUE(tile) << tile.error().reason;
  const auto optical = values<std::uint16_t>(*opened, *tile, "s2_l2a");
  for (std::size_t row = 0; row < 12; ++row) {
    for (std::size_t column = 0; column < 12; ++column) {
      const std::size_t pixel = row * 12 + column;
      EXPECT_EQ(optical[pixel], 1000 + 100 * (row / 6) + column / 6);
      EXPECT_EQ(optical[144 + pixel], 1 + pixel);
      EXPECT_EQ(optical[4 * 144 + pixel], 100 + 10 * (row / 2) + column / 2);
      EXPECT_EQ(optical[2 * 144 + pixel], 0) << "B3 is in no file";
    }
  }
  expect_fault(*open(source("", 12) + modality + "none\n"), 0, "p_B01.tif",
               "resampling in [modality.s2_l2a]");
  std::filesystem::remove(folder_ / "p_B05.tif");
  expect_fault(*open(source("", 12) + modality + "nearest\n"), 0, "p_B01.tif",
               "the file of band B05 is missing");
}

TEST_F(GeotiffSource, TheOffsetIsTakenOffWhereItIs) {
  const auto optical = [&](const std::string& id, int level) {
    raster("l1c/" + id + ".tif", utm(8, 8), 2, [level](int band, int row, int column) {
      if (row == 0 && column == 0) return 0;
      return level + (band == 0 ? 20 : 300 + row - (row == 1 ? 400 : 0));
    });
  };
  optical("dark", 0);
  optical("raised", 1000);
  const std::string rule = "[modality.s2_l1c]\nfiles = l1c/{id}.tif\nbands = B10, B4\noffset = ";
  const auto pixels = [&](const std::string& offset, std::uint64_t i, int size = 8) {
    const auto opened = open(source("cut = yes", size) + rule + offset + "\n");
    const auto tile = opened->load(i);
    EXPECT_TRUE(tile);
    auto all = values<std::uint16_t>(*opened, *tile, "s2_l1c");
    const auto area = static_cast<std::size_t>(size * size);
    all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(3 * area));
    all.resize(area);  // B4
    return all;
  };
  for (const std::string test :
       {"1000 if mean(B10) > 500", "1000 if low(*) > 800", "1000 if low(B10) > 800"}) {
    const auto raised = pixels(test, 1), dark = pixels("none", 0);
    EXPECT_EQ(raised[0], 0) << "no-data stays no-data";
    EXPECT_EQ(raised[8], 1) << "a valid pixel stays valid";
    for (std::size_t pixel = 16; pixel < 64; ++pixel) EXPECT_EQ(raised[pixel], dark[pixel]) << test;
    EXPECT_EQ(pixels(test, 0), dark) << test;
  }
  EXPECT_EQ(pixels("1000", 1), pixels("1000 if mean(B10) > 500", 1));
  EXPECT_EQ(pixels("none", 1)[16], 1302);
  EXPECT_EQ(pixels("1000 if mean(B10) > 500", 7, 4)[0], 304) << "every tile of a place is decided alike";
  EXPECT_EQ(open(source("", 8) + rule + "none\n")->schema().find("s2_l1c")->offset_state, "none");
  EXPECT_EQ(open(source("", 8) + rule + "1000\n")->schema().find("s2_l1c")->offset_state, "harmonised");
}

TEST_F(GeotiffSource, LandCoverCodesAreMappedAndCounted) {
  raster<std::uint8_t>("lc/p.tif", utm(4, 4), 1, [](int, int row, int) { return row; });
  const std::string modality =
      "[modality.land_cover]\nfiles = lc/{id}.tif\nbands = Map\n[land_cover]\nmap = ";
  const auto opened = open(source() + modality + "0:0, 1:80, 2:10, 3:95\n");
  const auto tile = opened->load(0);
  ASSERT_TRUE(tile) << tile.error().reason;
  const auto codes = values<std::uint8_t>(*opened, *tile, "land_cover");
  EXPECT_EQ(codes[4], 80);
  EXPECT_EQ(codes[15], 95);
  EXPECT_EQ(tile->record.land_cover[0], 4u);
  EXPECT_EQ(tile->record.land_cover[8], 4u);
  EXPECT_EQ(tile->record.land_cover[10], 4u);
  expect_fault(*open(source() + modality + "1:80, 2:10\n"), 0, "lc/p.tif", "the class code 3");
  error_of<UsageError>([&] { open(source() + modality + "1:81\n"); });
}

TEST_F(GeotiffSource, RastersFoundByPositionCoverTheTile) {
  raster<float>("s1/p.tif", utm(4, 4), 2, [](int, int, int) { return 1; });
  const geo::Grid west{200, 200, {14.99, 0.00005, 0, 45.16, 0, -0.0001}, "EPSG:4326"};
  geo::Grid east = west;
  east.transform[0] = 15.0;
  raster<std::uint8_t>("cover/west.tif", west, 1, [](int, int, int) { return 10; });
  raster<std::uint8_t>("cover/east.tif", east, 1, [](int, int, int) { return 80; });
  raster<std::uint8_t>("cover/far.tif", {10, 10, {60, 1, 0, 10, 0, -1}, "EPSG:4326"}, 1,
                       [](int, int, int) { return 1; });
  // The tile straddles 15 degrees, the central meridian, at x = 500,000 m.
  raster<float>("s1/q.tif", utm(4, 4, 10, 499980), 2, [](int, int, int) { return 1; });
  const auto opened = open(source() + radar() +
                           "[modality.land_cover]\nfiles = cover/*.tif\nbands = Map\nresampling = nearest\n");
  ASSERT_EQ(opened->candidates(), 2u);
  const auto in_the_east = opened->load(0), across = opened->load(1);
  ASSERT_TRUE(in_the_east) << in_the_east.error().reason;
  ASSERT_TRUE(across) << across.error().reason;
  EXPECT_EQ(in_the_east->record.land_cover[8], 16u);
  EXPECT_EQ(across->record.land_cover[1], 8u);
  EXPECT_EQ(across->record.land_cover[8], 8u);
}

TEST_F(GeotiffSource, LabelsComeFromFoldersJsonOrTables) {
  for (const char* id : {"Lake/a", "Forest/b"})
    raster<float>(std::string(id) + ".tif", utm(4, 4), 2, [](int, int, int) { return 1; });
  const std::string modality = "[modality.s1_rtc]\nfiles = {label}/{id}.tif\nbands = VV, VH\n[labels]\n";
  const auto folders = open(source() + modality + "from = folder\n");
  EXPECT_EQ(folders->load(0)->record.label, 1) << "a is in Lake, the second name";
  EXPECT_EQ(folders->describe()["label_names"], (Json{"Forest", "Lake"}));
  EXPECT_EQ(open(source() + modality + "from = folder\nclasses = Lake, Forest\n")->load(0)->record.label, 0);
  EXPECT_NE(error_of<UsageError>([&] {
              open(source() + modality + "from = folder\nclasses = Lakes, Forest\n");
            }).find("did you mean \"Lakes\""),
            std::string::npos);

  write("Lake/a.json", R"({"labels": ["wet", "cold, deep"]})");
  write("Forest/b.json", R"({"labels": ["dry"]})");
  const std::string json = "from = json\nfile = {id}.json\nkey = labels\nclasses = cold, deep; wet\n";
  const auto jsons = open(source() + modality + json);
  EXPECT_EQ(jsons->load(0)->record.label_bits, 3u);
  EXPECT_EQ(jsons->load(0)->record.label, -1);
  expect_fault(*jsons, 1, "Forest/b.json", "the label \"dry\"");
  write("Forest/b.json", R"({"labels": ["wet)");
  ASSERT_FALSE(jsons->load(1));

  write("t.csv", "patch,kind\r\nb,\"x, \"\"y\"\"\"\r\n");
  const std::string csv = "from = csv\nfile = t.csv\nid_column = patch\nlabel_column = ";
  const auto table = open(source() + modality + csv + "kind\n");
  EXPECT_EQ(table->load(0)->record.label, -1);
  EXPECT_EQ(table->load(1)->record.label, 0);
  EXPECT_EQ(table->describe()["label_names"], (Json{"x, \"y\""}));
  error_of<UsageError>([&] { open(source() + modality + csv + "kinds\n"); });
  write("t.csv", "patch,kind\nb\n");
  EXPECT_NE(error_of<FormatError>([&] { open(source() + modality + csv + "kind\n"); }).find("t.csv:2"),
            std::string::npos);
}

TEST_F(GeotiffSource, AMappingThatIsWrongIsRefusedWithAdvice) {
  raster<float>("s1/p.tif", utm(4, 4), 2, [](int, int, int) { return 1; });
  const auto refuse = [&](const std::string& ini, const std::string& words) {
    const auto error = error_of<UsageError>([&] { open(ini); });
    EXPECT_NE(error.find(words), std::string::npos) << error;
  };
  refuse(source("tile_sise = 5") + radar(), "did you mean \"tile_size\"?");
  refuse(source() + "[modality.s1_rtk]\nfiles = a\n", "did you mean [modality.s1_rtc]?");
  refuse(source() + radar("bans = VV\n"), "did you mean \"bands\"?");
  refuse(source() + "[modality.s1_rtc]\nfiles = s1/{id}.tif\nbands = VV, VX\n", "names \"VX\"");
  refuse(source() + "[modality.s1_rtc]\nfiles = s1/{id}.tif\nbands = VV, VV\n", "twice");
  refuse(source() + radar("offset = maybe\n"), "1000 if mean(B10) > 500");
  refuse(source() + radar("offset = 1000 as s2_l1c\n"), "is not mapped");
  refuse(source() + radar("resampling = cubic\n"), "bilinear");
  refuse(source("cut = perhaps") + radar(), "neither yes nor no");
  refuse(source("grid = dem") + radar(), "grid = dem");
  refuse("[source]\nschema = majortim\n" + radar(), "schema = majortim is unknown");
  refuse("[source]\nschema = majortom\n" + radar(), "tile_size");
  refuse(source() + "[modality.s1_rtc]\nfiles = s2/{id}.tif\nbands = VV, VH\n", "no file matches");
  EXPECT_NE(error_of<FormatError>([&] {
              open(source() +
                   "[modality.s1_rtc]\nfiles = **{id}.tif\nbands = VV, VH\n[modality.dem]\nfiles = "
                   "dem{id}\nbands = elevation\n");
              raster<float>("s1/q/p.tif", utm(4, 4), 2, [](int, int, int) { return 1; });
              open(source() + "[modality.s1_rtc]\nfiles = **/{id}.tif\nbands = VV, VH\n");
            }).find("both are [modality.s1_rtc] of the place p"),
            std::string::npos);
  SourceOptions options;
  options.kind = "geotiff";
  options.input = folder_;
  EXPECT_NE(error_of<UsageError>([&] { open_source(options); }).find("--mapping"), std::string::npos);
  options.mapping = folder_ / "none.ini";
  error_of<IoError>([&] { open_source(options); });
}

TEST_F(GeotiffSource, FillsTheMmearthSchemaToo) {
  raster("p_20190731.tif", utm(4, 4), 2, [](int band, int, int) { return 100 + band; });
  const auto opened = open(
      "[source]\nschema = mmearth\ntile_size = 4\ns2_type = l2a\n[modality.sentinel2]\nfiles = "
      "{id}_{date}.tif\nbands = B4, B8A\n");
  const auto tile = opened->load(0);
  ASSERT_TRUE(tile) << tile.error().reason;
  EXPECT_EQ(values<std::uint16_t>(*opened, *tile, "sentinel2")[7 * 16], 101) << "B8A is the eighth band";
  EXPECT_EQ(tile->record.date, "2019-07-31");
  EXPECT_EQ(tile->record.s2_type, S2Type::kL2A);
  EXPECT_TRUE(present(*opened, *tile, "month") && present(*opened, *tile, "lat"));
  EXPECT_FALSE(present(*opened, *tile, "biome"));
  EXPECT_NEAR(values<float>(*opened, *tile, "month")[0], -0.5, 1e-6) << "sin of 7/12 of a turn";
}

TEST_F(GeotiffSource, TilesWithoutAPlaceAreSplitByTheirIds) {
  const geo::Grid nowhere{4, 4, {0, 1, 0, 0, 0, 1}, ""};
  for (int i = 0; i < 60; ++i) {
    raster<float>("s1/chip-" + std::to_string(i) + ".tif", nowhere, 2, [](int, int, int) { return 1; });
  }
  SourceOptions options;
  options.kind = "geotiff";
  options.input = folder_;
  options.mapping = write("mapping.ini", source() + radar());
  options.validation_share = options.test_share = 0.3;
  const auto opened = open_source(options);
  std::array<int, 3> splits{};
  for (std::uint64_t i = 0; i < opened->candidates(); ++i) {
    const auto tile = opened->load(i);
    ASSERT_TRUE(tile) << tile.error().reason;
    EXPECT_TRUE(std::isnan(tile->record.lon));
    ++splits[static_cast<std::size_t>(tile->record.split)];
  }
  for (const int count : splits) EXPECT_GT(count, 5);
}

}  // namespace
}  // namespace terramill::corpus
