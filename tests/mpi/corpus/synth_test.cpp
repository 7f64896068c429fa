#include "support/shared_scratch.hpp"

#include <terramill/core/activity.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/corpus/index.hpp>
#include <terramill/corpus/manifest.hpp>
#include <terramill/corpus/source.hpp>
#include <terramill/corpus/synth.hpp>
#include <terramill/geo/raster.hpp>
#include <terramill/mpi/communicator.hpp>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <limits>
#include <map>
#include <string>
#include <thread>

#include <gtest/gtest.h>

namespace terramill::corpus {
namespace {

namespace fs = std::filesystem;

/// A folder that all ranks share, removed at the end.
class SynthTest : public testing::Test {
 protected:
  SynthOptions options(const std::string& folder, std::uint64_t tiles, int threads) const {
    SynthOptions made;
    made.world.seed = 21;
    made.output = scratch_ / folder;
    made.tiles = tiles;
    made.threads = threads;
    return made;
  }
  bool first() const { return world_.rank() == 0; }

  mpi::Communicator world_ = mpi::Communicator::world(), alone_ = mpi::Communicator::self();
  const testing::SharedScratch scratch_{world_};
};

/// Hash of every file below a folder, by relative name.
std::map<std::string, std::uint64_t> hashes(const fs::path& folder) {
  std::map<std::string, std::uint64_t> found;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) found[fs::relative(entry.path(), folder)] = xxh3_file(entry.path());
  }
  return found;
}

TEST_F(SynthTest, RawTilesHaveTheSameBytesForAnyRanksAndThreads) {
  const SynthSummary summary = write_invented_tiles(world_, options("together", 23, 3));
  EXPECT_EQ(summary.written, 23u);
  EXPECT_EQ(summary.kept, 0u);
  if (!first()) return;
  write_invented_tiles(alone_, options("alone", 23, 1));
  EXPECT_EQ(hashes(scratch_ / "together"), hashes(scratch_ / "alone"));
}

TEST_F(SynthTest, WhatIsThereIsKeptAndMoreTilesOfTheSameWorldAreAdded) {
  write_invented_tiles(world_, options("grown", 10, 1));
  if (first()) fs::remove(scratch_ / "grown/merged" / (World::tile_id(4) + ".tif"));
  world_.barrier();
  const SynthSummary summary = write_invented_tiles(world_, options("grown", 15, 2));
  EXPECT_EQ(summary.written, 6u);
  EXPECT_EQ(summary.kept, 9u);
  if (!first()) return;
  write_invented_tiles(alone_, options("at-once", 15, 1));
  EXPECT_EQ(hashes(scratch_ / "grown"), hashes(scratch_ / "at-once"));
}

TEST_F(SynthTest, FoldersOfOtherTilesAreRefusedOnEveryRank) {
  write_invented_tiles(world_, options("mine", 3, 1));
  SynthOptions other = options("mine", 3, 1);
  other.world.seed = 22;
  EXPECT_THROW(write_invented_tiles(world_, other), UsageError);

  if (first()) fs::create_directories(scratch_ / "real/merged");
  world_.barrier();
  EXPECT_THROW(write_invented_tiles(world_, options("real", 3, 1)), UsageError);
}

TEST_F(SynthTest, RawTilesAreLabelledSyntheticEverywhere) {
  write_invented_tiles(world_, options("labelled", 4, 1));
  if (!first()) return;
  EXPECT_NE(read_text(scratch_ / "labelled" / kSyntheticFile).find("synthetic"), std::string::npos);
  const Json info = read_json(scratch_ / "labelled/data_synthetic_v001_tile_info.json");
  EXPECT_EQ(info.size(), 4u);
  for (const auto& [id, entry] : info.items()) EXPECT_TRUE(entry[kSyntheticKey].get<bool>()) << id;
  SourceOptions source;
  source.kind = "mmearth-tiles";
  source.input = scratch_ / "labelled";
  EXPECT_TRUE(open_source(source)->describe()["synthetic"].get<bool>());
}

TEST_F(SynthTest, TheMmearthSourceReadsEveryRawTile) {
  write_invented_tiles(world_, options("read", 60, 1));
  if (!first()) return;
  SourceOptions options_of_source;
  options_of_source.kind = "mmearth-tiles";
  options_of_source.input = scratch_ / "read";
  const auto source = open_source(options_of_source);
  ASSERT_EQ(source->candidates(), 60u);
  EXPECT_EQ(source->schema().height, 64);
  const World world(options("read", 60, 1).world);
  Surveyor surveyor(world);
  for (std::uint64_t i = 0; i < 60; ++i) {
    const auto tile = source->load(i);
    ASSERT_TRUE(tile.has_value()) << tile.error().reason;
    const TileRecord expected = invented_record(world, surveyor, i);
    EXPECT_EQ(tile->record.tile_id, expected.tile_id);
    EXPECT_EQ(tile->record.crs, expected.crs);
    EXPECT_EQ(tile->record.transform, expected.transform);
    EXPECT_EQ(tile->record.biome, expected.biome);
    EXPECT_EQ(tile->record.present, expected.present) << i;
    EXPECT_EQ(tile->record.s2_type, expected.s2_type);
  }
}

TEST_F(SynthTest, EachBlockOfAnIndexIsABeatOfTheRankThatInventsIt) {
  std::atomic<bool> over = false;
  int beats = -1;  // the first look is none
  std::thread looker([&] {
    double last = std::numeric_limits<double>::infinity();
    while (!over) {
      for (const Silence& one : silences(std::chrono::steady_clock::now())) {
        if (one.name != "corpus synth") continue;
        if (one.seconds < last) ++beats;
        last = one.seconds;
      }
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  });
  constexpr std::uint64_t kBlocksOfEach = 4, kBlock = 16384;
  const auto tiles = kBlocksOfEach * kBlock * static_cast<std::uint64_t>(world_.size());
  write_invented_index(world_, options("watched", tiles, 1));
  over = true;
  looker.join();
  EXPECT_GE(beats, static_cast<int>(kBlocksOfEach));
}

TEST_F(SynthTest, IndexesHaveTheSameBytesForAnyRanksAndThreads) {
  SynthOptions together = options("index", 40000, 2), alone = options("index-alone", 40000, 1);
  together.validation_share = alone.validation_share = 0.05;
  write_invented_index(world_, together);
  if (!first()) return;
  write_invented_index(alone_, alone);
  EXPECT_EQ(hashes(scratch_ / "index"), hashes(scratch_ / "index-alone"));

  const Manifest manifest = read_manifest(scratch_ / "index");
  EXPECT_TRUE(manifest.index_only);
  EXPECT_TRUE(manifest.synthetic);
  EXPECT_EQ(manifest.tiles, 40000u);
  EXPECT_EQ(manifest.index_xxh3, xxh3_file(scratch_ / "index" / kIndexFile));
  const IndexReader reader(scratch_ / "index" / kIndexFile);
  EXPECT_EQ(reader.rows(), 40000u);
  const World world(together.world);
  Surveyor surveyor(world);
  int validation = 0;
  for (TileRecord& record : reader.read_records(16380, 200)) {
    const auto i = static_cast<std::uint64_t>(record.shard) * manifest.shard_tiles + record.row;
    validation += record.split == Split::kValidation ? 1 : 0;
    record.split = Split::kTrain;
    record.shard = record.row = 0;
    EXPECT_EQ(record, invented_record(world, surveyor, i));
  }
  EXPECT_LT(validation, 50);
}

}  // namespace
}  // namespace terramill::corpus
