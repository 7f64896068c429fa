#include "corpus/geotiff_places.hpp"
#include "geotiff_folder.hpp"

#include <terramill/core/process_silence.hpp>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <set>
#include <string>

namespace terramill::corpus {
namespace {

namespace fs = std::filesystem;

/// What a geotiff source makes of files that are missing, unreadable, or others than before.
class GeotiffInput : public GeotiffTest {
 protected:
  void radar_file(const std::string& name) const {
    raster<float>(name, utm(4, 4), 2, [](int, int, int) { return 1; });
  }
  static std::string elevation() { return "[modality.dem]\nfiles = dem/{id}.tif\nbands = elevation\n"; }
};

TEST_F(GeotiffInput, AFileThatWasListedAndIsGoneIsNoBadTile) {
  radar_file("s1/p.tif");
  const auto opened = open(source() + radar());
  fs::remove(folder_ / "s1/p.tif");
  EXPECT_NE(error_of<IoError>([&] { static_cast<void>(opened->load(0)); }).find("s1/p.tif"),
            std::string::npos);
}

TEST_F(GeotiffInput, AFileThatTheFileSystemDoesNotGiveIsNoBadTile) {
  radar_file("s1/p.tif");
  fs::create_symlink("/proc/self/mem", folder_ / "s1/q.tif");  // opens, and reads with EIO
  const auto opened = open(source() + radar());
  ASSERT_EQ(opened->candidates(), 2u);
  EXPECT_TRUE(opened->load(0));
  error_of<IoError>([&] { static_cast<void>(opened->load(1)); });
  error_of<IoError>([&] { open(source("cut = yes") + radar()); });

  const std::string labels = "[labels]\nfrom = json\nfile = {id}.json\nkey = labels\nclasses = wet\n";
  fs::create_symlink("/proc/self/mem", folder_ / "s1/p.json");
  const auto labelled = open(source() + radar() + labels);
  error_of<IoError>([&] { static_cast<void>(labelled->load(0)); });
  fs::remove(folder_ / "s1/p.json");
  expect_fault(*labelled, 0, "s1/p.json", "the file does not exist");
}

TEST_F(GeotiffInput, AnotherFileInTheLostOnesPlaceIsTheSameListOfFiles) {
  for (const char* name : {"s1/p.tif", "s1/q.tif"})
    raster<float>(name, utm(8, 4), 2, [](int, int, int) { return 1; });
  const std::string cut = source("cut = yes") + radar(), whole = source() + radar();
  const auto of_cut = open(cut)->files_xxh3(), of_whole = open(whole)->files_xxh3();
  fs::remove(folder_ / "s1/q.tif");
  EXPECT_NE(open(whole)->files_xxh3(), of_whole);
  fs::create_symlink("/proc/self/mem", folder_ / "s1/q.tif");
  const auto lost = open(whole);
  EXPECT_NE(error_of<IoError>([&] { static_cast<void>(lost->load(1)); }).find("another in its place"),
            std::string::npos);
  fs::remove(folder_ / "s1/q.tif");

  write("s1/q.tif", "");
  EXPECT_EQ(open(whole)->files_xxh3(), of_whole);
  expect_fault(*open(whole), 1, "s1/q.tif", "cannot be opened");
  EXPECT_NE(open(cut)->files_xxh3(), of_cut) << "of no known size, it is one tile";
  raster<float>("s1/q.tif", utm(8, 4), 2, [](int, int, int) { return 0; });
  EXPECT_EQ(open(cut)->files_xxh3(), of_cut);
}

TEST_F(GeotiffInput, LinksToNothingAreSetAsideAndNotOverlooked) {
  radar_file("s1/p.tif");
  fs::create_symlink("nowhere.tif", folder_ / "s1/q.tif");
  fs::create_symlink("r.tif", folder_ / "s1/r.tif");
  fs::create_directory(folder_ / "elsewhere");
  fs::create_directory_symlink("../elsewhere", folder_ / "s1/folder.tif");
  const auto opened = open(source() + radar());
  ASSERT_EQ(opened->candidates(), 3u);
  EXPECT_TRUE(opened->load(0));
  expect_fault(*opened, 1, "s1/q.tif", "the file does not exist");
  expect_fault(*opened, 2, "s1/r.tif", "cannot be opened");
}

TEST_F(GeotiffInput, AFolderThatCannotBeListedIsNotEmpty) {
  radar_file("s1/p.tif");
  const std::string ini = source() + radar() + elevation();
  EXPECT_EQ(open(ini)->candidates(), 1u) << "a modality of which there is no folder is absent";
  write("dem", "a file");
  EXPECT_NE(error_of<IoError>([&] { open(ini); }).find("cannot be listed"), std::string::npos);
  fs::remove(folder_ / "dem");
  fs::create_symlink("dem", folder_ / "dem");
  EXPECT_NE(error_of<IoError>([&] { open(ini); }).find("cannot be listed"), std::string::npos);
}

TEST_F(GeotiffInput, EveryOtherListOfFilesHasAnotherHash) {
  for (const char* name : {"s1/a.tif", "s1/b.tif", "dem/a.tif"}) radar_file(name);
  raster<float>("s1/c.tif", utm(8, 4), 2, [](int, int, int) { return 1; });
  const std::string ini = source("cut = yes") + radar() + elevation();
  const auto hash = [&] { return open(ini)->files_xxh3().value(); };
  std::set<std::uint64_t> hashes;
  const auto first = hash();
  EXPECT_EQ(hash(), first);
  hashes.insert(first);
  fs::rename(folder_ / "s1/b.tif", folder_ / "s1/aa.tif");
  hashes.insert(hash());
  fs::rename(folder_ / "dem/a.tif", folder_ / "dem/aa.tif");
  hashes.insert(hash());
  raster<float>("s1/c.tif", utm(4, 8), 2, [](int, int, int) { return 1; });
  hashes.insert(hash());
  EXPECT_EQ(hashes.size(), 4u);
  fs::create_directory(folder_ / "copy");
  fs::copy(folder_ / "s1", folder_ / "copy/s1", fs::copy_options::recursive);
  fs::copy(folder_ / "dem", folder_ / "copy/dem", fs::copy_options::recursive);
  SourceOptions options;
  options.kind = "geotiff";
  options.input = folder_ / "copy";
  options.mapping = folder_ / "mapping.ini";
  EXPECT_TRUE(hashes.contains(open_source(options)->files_xxh3().value()))
      << "the folder's name does not count";

  radar_file("v1/p.tif");
  const std::string anywhere = source() + "[modality.s1_rtc]\nfiles = v*/{id}.tif\nbands = VV, VH\n";
  const auto of_v1 = open(anywhere)->files_xxh3();
  fs::rename(folder_ / "v1", folder_ / "v2");
  EXPECT_NE(open(anywhere)->files_xxh3(), of_v1) << "another file of the same place";
}

TEST_F(GeotiffInput, WhatWasNotReadIsAbsentAlsoWithoutANoDataValue) {
  raster("s2/p.tif", utm(4, 4), 1, [](int, int, int) { return 7; });
  raster("s2/q.tif", utm(4, 4), 1, [](int, int, int) { return 7; });
  raster<float>("dem/q.tif", utm(4, 4), 2, [](int, int, int) { return 3; });
  raster<float>("far/dem.tif", utm(4, 4, 10, 700000), 2, [](int, int, int) { return 3; });
  const std::string optical =
      "[source]\nschema = mmearth\ntile_size = 4\n[modality.sentinel2]\nfiles = s2/{id}.tif\nbands = B4\n";
  const std::string aster = "[modality.aster]\nbands = elevation, slope\nfiles = ";
  const auto by_id = open(optical + aster + "dem/{id}.tif\n");
  EXPECT_FALSE(present(*by_id, *by_id->load(0), "aster"));
  EXPECT_TRUE(present(*by_id, *by_id->load(1), "aster"));
  expect_fault(*open(optical + aster + "dem/{id}.tif\nrequired = yes\n"), 0, "dem/{id}.tif", "is required");
  const auto by_position = open(optical + aster + "far/*.tif\nresampling = nearest\n");
  EXPECT_FALSE(present(*by_position, *by_position->load(0), "aster"));
  raster<float>("dem/q.tif", utm(4, 4), 2, [](int, int, int) { return std::nan(""); });
  EXPECT_FALSE(present(*by_id, *by_id->load(1), "aster")) << "a file of nothing but NaN";
}

TEST_F(GeotiffInput, ListingIsABeat) {
  write("s1/notes.txt", "no raster");
  Mapping mapping;
  mapping.root = folder_;
  MappedModality modality;
  modality.files.emplace("s1/*.tif", "the test");
  const auto before = std::chrono::steady_clock::now();
  EXPECT_TRUE(find_by_position(mapping, modality).empty());
  const auto after = std::chrono::steady_clock::now();
  EXPECT_LT(process_silence(after), std::chrono::duration<double>(after - before).count());
}

}  // namespace
}  // namespace terramill::corpus
