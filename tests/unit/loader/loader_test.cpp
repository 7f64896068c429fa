#include "small_corpus.hpp"

#include <terramill/core/error.hpp>
#include <terramill/loader/loader.hpp>

#include <atomic>
#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

namespace terramill::loader {
namespace {

const std::vector<Request> kRequests = {
    {"sentinel2", {"B4", "B3", "B2"}, Form::kNormalised},
    {"sentinel1", {}, Form::kNormalised},
    {"esa_worldcover", {}, Form::kClassIndex},
    {"biome", {}, Form::kOneHot},
    {"era5", {}, Form::kNormalised},
};

Work work_of(const SmallCorpus& corpus, std::uint64_t begin, std::uint64_t end, int micro_batch) {
  Work work;
  work.micro_batch = micro_batch;
  work.entries = corpus.entries(begin, end);
  for (std::uint64_t i = begin; i < end; ++i) work.positions.push_back(i);
  return work;
}

/// All that a loader gives out, as bytes.
std::vector<std::byte> all_bytes(Loader& loader) {
  std::vector<std::byte> bytes;
  const auto add = [&](auto values) {
    const auto part = std::as_bytes(std::span(values));
    bytes.insert(bytes.end(), part.begin(), part.end());
  };
  while (const auto batch = loader.next()) {
    add(std::span(&batch->index, 1));
    add(std::span(batch->positions));
    add(std::span(batch->tile_keys));
    for (const Block& block : batch->blocks) {
      add(block.floats);
      add(block.integers);
      add(std::span(block.present));
    }
  }
  return bytes;
}

TEST(Loader, GivesTheNormalisedValuesOfTheTilesInOrder) {
  for (const auto codec : {corpus::Codec::kDeflate, corpus::Codec::kZstd, corpus::Codec::kNone}) {
    const SmallCorpus corpus(14, codec);
    const auto statistics = corpus::read_statistics(corpus.path() / corpus::kStatisticsFile);
    Loader loader(corpus.path(), kRequests, {});
    loader.start(work_of(corpus, 0, 14, 4));
    std::uint64_t tile = 0;
    for (std::uint64_t index = 0; index < 4; ++index) {
      const auto batch = loader.next();
      ASSERT_TRUE(batch);
      EXPECT_EQ(batch->index, index);
      EXPECT_EQ(batch->size(), index == 3 ? 2 : 4) << "the last is what is left";
      EXPECT_EQ(batch->blocks[0].shape, (std::vector<std::int64_t>{batch->size(), 3, 16, 16}));
      EXPECT_EQ(batch->blocks[2].shape, (std::vector<std::int64_t>{batch->size(), 1, 16, 16}));
      EXPECT_EQ(batch->blocks[3].shape, (std::vector<std::int64_t>{batch->size(), 14}));
      for (std::size_t i = 0; i < batch->positions.size(); ++i, ++tile) {
        EXPECT_EQ(batch->positions[i], tile);
        EXPECT_EQ(batch->tile_keys[i], corpus.entry(tile).tile_key);
        const auto& bands = statistics.at(tile % 2 == 1 ? "sentinel2_l1c" : "sentinel2_l2a");
        const std::size_t element = 3 * 256 + 100;  // B4
        const double stored = corpus.value<std::uint16_t>(tile, "sentinel2", element);
        EXPECT_EQ(batch->blocks[0].floats[i * 768 + 100],
                  static_cast<float>((stored - bands.mean[3]) / bands.std[3]));
        EXPECT_TRUE(std::isnan(batch->blocks[0].floats[i * 768])) << "no data in the first pixel";
        EXPECT_EQ(batch->blocks[1].present[i], tile % 4 == 2 ? 0 : 1);
        EXPECT_EQ(std::isnan(batch->blocks[1].floats[i * 2048 + 5]), tile % 4 == 2);
        for (std::size_t c = 0; c < 14; ++c) {
          EXPECT_EQ(batch->blocks[3].integers[i * 14 + c], corpus.value<std::uint8_t>(tile, "biome", c));
        }
      }
    }
    EXPECT_FALSE(loader.next());
    EXPECT_FALSE(loader.next());
    EXPECT_TRUE(loader.replacements().empty());
  }
}

TEST(Loader, GivesTheSameForAnyThreadsPrefetchAndOpenShards) {
  const SmallCorpus corpus(40);
  std::vector<std::byte> reference;
  for (const int threads : {1, 2, 3, 7}) {
    for (const int prefetch : {1, 5}) {
      LoaderOptions options;
      options.threads = threads;
      options.prefetch = prefetch;
      options.open_shards = threads;
      options.crop_size = 8;
      Loader loader(corpus.path(), kRequests, options);
      loader.start(work_of(corpus, 0, 40, 3));
      const auto bytes = all_bytes(loader);
      if (reference.empty()) reference = bytes;
      EXPECT_EQ(bytes, reference) << threads << " threads, " << prefetch << " ahead";
    }
  }
}

TEST(Loader, StartsAnewFromAnyPosition) {
  const SmallCorpus corpus(24);
  LoaderOptions options;
  options.crop_size = 5;
  Loader loader(corpus.path(), kRequests, options);
  loader.start(work_of(corpus, 0, 24, 4));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(loader.next());
  const auto fourth = loader.next();
  loader.start(work_of(corpus, 12, 24, 4));
  const auto again = loader.next();
  ASSERT_TRUE(fourth && again);
  EXPECT_EQ(fourth->positions, again->positions);
  EXPECT_EQ(fourth->windows, again->windows);
  EXPECT_TRUE(std::equal(fourth->blocks[2].integers.begin(), fourth->blocks[2].integers.end(),
                         again->blocks[2].integers.begin()));
  loader.start({});
  EXPECT_FALSE(loader.next());
}

TEST(Loader, RecyclesItsBuffers) {
  const SmallCorpus corpus(30);
  std::atomic<int> allocated = 0, live = 0;
  const Allocator counting = {
      [&](std::size_t bytes) { return ++allocated, ++live, Allocator::host().allocate(bytes); },
      [&](std::byte* memory, std::size_t bytes) { --live, Allocator::host().release(memory, bytes); }};
  std::optional<MicroBatch> kept;
  {
    LoaderOptions options;
    options.prefetch = 2;
    Loader loader(corpus.path(), kRequests, options, counting);
    loader.start(work_of(corpus, 0, 30, 1));
    while (auto batch = loader.next()) kept = std::move(batch);
  }
  EXPECT_LE(allocated, 5) << "two ahead, one in work, one held and one just taken";
  EXPECT_GE(live, 1);
  EXPECT_EQ(kept->positions.front(), 29u) << "a micro-batch outlives its loader";
  kept.reset();
  EXPECT_EQ(live, 0);
}

TEST(Loader, LoadsTilesByIndexRow) {
  const SmallCorpus corpus(20);
  Loader loader(corpus.path(), kRequests, {});
  const std::vector<std::uint64_t> rows = {19, 0, 7};
  const MicroBatch batch = loader.load_tiles(rows);
  loader.start(work_of(corpus, 0, 20, 20));
  const auto all = loader.next();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(batch.tile_keys[i], corpus.entry(rows[i]).tile_key);
    EXPECT_TRUE(std::equal(&batch.blocks[2].integers[i * 256], &batch.blocks[2].integers[i * 256] + 256,
                           &all->blocks[2].integers[rows[i] * 256]));
  }
  const std::vector<std::uint64_t> beyond = {20};
  EXPECT_THROW(loader.load_tiles(beyond), UsageError);
}

TEST(Loader, RefusesWhatItCannotDo) {
  const SmallCorpus corpus(3);
  LoaderOptions options;
  options.crop_size = 17;
  EXPECT_THROW(Loader(corpus.path(), kRequests, options), UsageError);
  options = {};
  options.threads = 0;
  EXPECT_THROW(Loader(corpus.path(), kRequests, options), UsageError);
  EXPECT_THROW(Loader(corpus.path() / "missing", kRequests, {}), IoError);
  Loader loader(corpus.path(), kRequests, {});
  Work work = work_of(corpus, 0, 3, 1);
  work.positions.pop_back();
  EXPECT_THROW(loader.start(work), UsageError);
}

}  // namespace
}  // namespace terramill::loader
