#include "slow_pipe.hpp"
#include "support/shared_scratch.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/json.hpp>
#include <terramill/corpus/build.hpp>
#include <terramill/corpus/manifest.hpp>
#include <terramill/fault/watchdog.hpp>
#include <terramill/geo/image.hpp>
#include <terramill/mpi/communicator.hpp>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace terramill::corpus {
namespace {

namespace fs = std::filesystem;

/// How the ranks of a build see the files of a geotiff source, of which each place is a raster of two tiles.
class BuildInput : public testing::Test {
 protected:
  void raster(const fs::path& file, int width = 8) const {
    fs::create_directories(file.parent_path());
    const std::vector<float> values(static_cast<std::size_t>(2 * 4 * width), 1);
    geo::write_geotiff<float>(file, {width, 4, {500000, 10, 0, 5000000, 0, -10}, "EPSG:32633"}, values);
  }

  /// A folder of five places and its options; rank 0 writes.
  BuildOptions input(const std::string& name, bool cut = true) const {
    if (world_.rank() == 0) {
      for (const char* id : {"a", "b", "c", "d", "e"}) raster(scratch_ / name / (std::string(id) + ".tif"));
      raster(scratch_ / name / "c.tif", 12);
      write_file_durably(scratch_ / (name + ".ini"),
                         std::string("[source]\nschema = majortom\ntile_size = 4\ncut = ") +
                             (cut ? "yes" : "no") +
                             "\n[modality.s1_rtc]\nfiles = {id}.tif\nbands = VV, VH\n");
    }
    world_.barrier();
    BuildOptions options;
    options.source.kind = "geotiff";
    options.source.input = scratch_ / name;
    options.source.mapping = scratch_ / (name + ".ini");
    options.output = scratch_ / (name + ".corpus");
    options.shard_tiles = 2;
    options.threads = 1;
    return options;
  }

  /// The text of the error of type E that `work` throws, on every rank.
  template <typename E, typename F>
  static std::string error_of(F work) {
    try {
      work();
    } catch (const E& error) {
      return error.what();
    }
    ADD_FAILURE() << "no error";
    return "";
  }

  mpi::Communicator world_ = mpi::Communicator::world();
  const testing::SharedScratch scratch_{world_};
};

TEST_F(BuildInput, OpenedTogetherItIsWhatItIsAlone) {
  const SourceOptions options = input("tiles").source;
  const auto alone = open_source(options), together = open_source(options, &world_);
  EXPECT_EQ(alone->candidates(), 11u);
  EXPECT_EQ(together->candidates(), 11u);
  EXPECT_EQ(together->files_xxh3(), alone->files_xxh3());
  for (std::uint64_t i = 0; i < 11; ++i) {
    const TileRecord here = together->load(i).value().record, there = alone->load(i).value().record;
    EXPECT_EQ(here.tile_id, there.tile_id);
    EXPECT_EQ(here.transform, there.transform);
  }
}

TEST_F(BuildInput, RanksThatSeeOtherFilesAreRefused) {
  for (const bool cut : {true, false}) {
    const std::string name = cut ? "cut" : "whole";
    BuildOptions options = input(name, cut);
    if (world_.rank() == 0) {
      fs::copy(scratch_ / name, scratch_ / (name + "2"));
      fs::rename(scratch_ / (name + "2") / "b.tif", scratch_ / (name + "2") / "bb.tif");
    }
    world_.barrier();
    if (world_.rank() == world_.size() - 1) options.source.input = scratch_ / (name + "2");
    EXPECT_NE(error_of<AgreementError>([&] { build(world_, options); }).find("input files"),
              std::string::npos);
  }
}

TEST_F(BuildInput, ARestartNoticesOtherFilesOfTheSameNumber) {
  BuildOptions options = input("tiles");
  // A work log that cannot be written ends the build before its assembly.
  options.work_log = scratch_ / "no such folder" / "log";
  EXPECT_THROW(build(world_, options), Error);
  options.work_log.clear();
  world_.barrier();
  if (world_.rank() == 0) fs::rename(scratch_ / "tiles/b.tif", scratch_ / "tiles/bb.tif");
  world_.barrier();
  EXPECT_NE(error_of<UsageError>([&] { build(world_, options); }).find("input files: "), std::string::npos);
  world_.barrier();
  if (world_.rank() == 0) fs::rename(scratch_ / "tiles/bb.tif", scratch_ / "tiles/b.tif");
  world_.barrier();
  EXPECT_EQ(build(world_, options).built_shards, 0u);
  EXPECT_TRUE(build(world_, options).complete_before);
}

TEST_F(BuildInput, ACorpusOfAnEarlierReleaseStaysComplete) {
  const BuildOptions options = input("tiles");
  build(world_, options);
  if (world_.rank() == 0) {
    Manifest manifest = read_manifest(options.output);
    ASSERT_EQ(manifest.options.erase("input files"), 1u);
    write_file_durably(options.output / kManifestFile, to_text(manifest));
  }
  world_.barrier();
  EXPECT_TRUE(build(world_, options).complete_before);
}

TEST_F(BuildInput, AnUnfinishedBuildOfAnEarlierReleaseGoesOnAndNoticesOtherFilesFromThenOn) {
  BuildOptions options = input("tiles");
  options.work_log = scratch_ / "no such folder" / "log";
  EXPECT_THROW(build(world_, options), Error);
  const fs::path agreed = options.output / ".build/build.json";
  if (world_.rank() == 0) {
    Json json = read_json(agreed);
    ASSERT_EQ(json.erase("input files"), 1u);
    write_file_durably(agreed, dump_json(json, 1) + "\n");
  }
  world_.barrier();
  EXPECT_NE(error_of<Error>([&] { build(world_, options); }).find("no such folder"), std::string::npos);
  EXPECT_TRUE(read_json(agreed).contains("input files"));
  options.work_log.clear();
  EXPECT_EQ(build(world_, options).built_shards, 0u);
}

TEST_F(BuildInput, RanksThatHaveLookedAtTheirPartAreNotHungWhileAnotherLooksForLong) {
  constexpr double kLimit = 3, kHeld = 4;  // seconds
  SourceOptions options = input("tiles").source;
  const fs::path labels = scratch_ / "tiles/labels.csv", slow = scratch_ / "slow";
  if (world_.rank() == 0) {
    write_file_durably(options.mapping, read_text(options.mapping) +
                                            "[labels]\nfrom = csv\nfile = labels.csv\nid_column = id\n"
                                            "label_column = label\nclasses = wet\n");
    write_file_durably(labels, "id,label\na,wet\n");
    fs::copy(scratch_ / "tiles", slow);
    fs::remove(slow / "labels.csv");
    // GDAL opens what is warped with the raster.
    write_file_durably(slow / "e.tif",
                       "<VRTDataset rasterXSize=\"8\" rasterYSize=\"4\" subClass=\"VRTWarpedDataset\">"
                       "<VRTRasterBand dataType=\"Float32\" band=\"1\" subClass=\"VRTWarpedRasterBand\"/>"
                       "<GDALWarpOptions><SourceDataset relativeToVRT=\"1\">pipe</SourceDataset>"
                       "</GDALWarpOptions></VRTDataset>");
  }
  world_.barrier();
  std::optional<SlowPipe> table, raster;
  if (world_.rank() == world_.size() - 1) {
    options.input = slow;
    table.emplace(slow / "labels.csv", "id,label\na,wet\n", kHeld);
    raster.emplace(slow / "pipe", "no raster", kHeld);
  }
  const fault::Watchdog watchdog(world_, kLimit, "test", {});
  EXPECT_EQ(open_source(options, &world_)->candidates(), 10u);
  if (table) {
    EXPECT_TRUE(table->held());
    EXPECT_TRUE(raster->held());
  }
}

TEST_F(BuildInput, ARasterThatCannotBeReadEndsTheBuildOnEveryRank) {
  const BuildOptions options = input("tiles");
  if (world_.rank() == 0) fs::create_symlink("/proc/self/mem", scratch_ / "tiles/f.tif");  // EIO
  world_.barrier();
  EXPECT_NE(error_of<Error>([&] { build(world_, options); }).find("tiles/f.tif"), std::string::npos);
}

}  // namespace
}  // namespace terramill::corpus
