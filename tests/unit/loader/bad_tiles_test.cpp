#include "small_corpus.hpp"

#include <terramill/core/error.hpp>
#include <terramill/loader/loader.hpp>

#include <gtest/gtest.h>

namespace terramill::loader {
namespace {

const std::vector<Request> kRequests = {{"sentinel2", {}, Form::kNormalised},
                                        {"month", {}, Form::kNormalised}};

/// Positions 100 … 119 are tiles 0 … 19; tiles 20 … 29 are the reserve.
Work work_of(const SmallCorpus& corpus) {
  Work work;
  work.epoch = 2;
  work.micro_batch = 4;
  work.entries = corpus.entries(0, 20);
  work.reserve = corpus.entries(20, 30);
  for (std::uint64_t i = 0; i < 20; ++i) work.positions.push_back(100 + i);
  return work;
}

std::vector<std::uint64_t> keys_of(Loader& loader) {
  std::vector<std::uint64_t> keys;
  while (const auto batch = loader.next())
    keys.insert(keys.end(), batch->tile_keys.begin(), batch->tile_keys.end());
  return keys;
}

LoaderOptions tolerant(int threads = 2) {
  LoaderOptions options;
  options.max_bad_rate = 0.2;
  options.threads = threads;
  return options;
}

TEST(BadTiles, AFlippedBitIsReplacedFromTheReserveAndRecorded) {
  const SmallCorpus corpus(30);
  corpus.flip(9, "sentinel2");
  corpus.flip(13, "month");
  std::vector<std::uint64_t> reference;
  for (const int threads : {1, 4}) {
    Loader loader(corpus.path(), kRequests, tolerant(threads));
    loader.start(work_of(corpus));
    const auto keys = keys_of(loader);
    ASSERT_EQ(keys.size(), 20u);
    ASSERT_EQ(loader.replacements().size(), 2u);
    for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(keys[i] == corpus.entry(i).tile_key, i != 9 && i != 13);
    const Replacement& first = loader.replacements()[0];
    EXPECT_EQ(first.epoch, 2u);
    EXPECT_EQ(first.position, 109u);
    EXPECT_EQ(first.bad, corpus.entry(9));
    EXPECT_EQ(first.replacement.tile_key, keys[9]);
    EXPECT_NE(first.reason.find("sentinel2"), std::string::npos) << first.reason;
    EXPECT_EQ(loader.replacements()[1].position, 113u);
    if (reference.empty()) reference = keys;
    EXPECT_EQ(keys, reference);
  }
}

TEST(BadTiles, TheReplacementDependsOnThePositionAlone) {
  const SmallCorpus corpus(30);
  corpus.flip(9, "sentinel2");
  Loader loader(corpus.path(), kRequests, tolerant());
  loader.start(work_of(corpus));
  const auto all = keys_of(loader);
  Work later = work_of(corpus);  // as another layout: other neighbours, other micro-batches
  later.positions.erase(later.positions.begin(), later.positions.begin() + 7);
  later.entries.erase(later.entries.begin(), later.entries.begin() + 7);
  later.micro_batch = 1;
  loader.start(later);
  EXPECT_EQ(keys_of(loader)[2], all[9]);
}

TEST(BadTiles, AKnownReplacementStaysThoughTheTileIsWholeAgain) {
  const SmallCorpus corpus(30);
  Work work = work_of(corpus);
  const Replacement known{2, 109, corpus.entry(9), corpus.entry(25), "was bad"};
  const Replacement other_epoch{1, 110, corpus.entry(10), corpus.entry(26), "was bad"};
  const auto text = dump_json(to_json(known));
  work.replaced = {replacement_from_json(parse_json(text), "test"), other_epoch};
  Loader loader(corpus.path(), kRequests, tolerant());
  loader.start(work);
  const auto keys = keys_of(loader);
  EXPECT_EQ(keys[9], corpus.entry(25).tile_key);
  EXPECT_EQ(keys[10], corpus.entry(10).tile_key);
  ASSERT_EQ(loader.replacements().size(), 1u);
  EXPECT_EQ(dump_json(to_json(loader.replacements()[0])), text);
}

TEST(BadTiles, ABadReserveTileGivesWayToTheNext) {
  const SmallCorpus corpus(30);
  corpus.flip(9, "sentinel2");
  Loader loader(corpus.path(), kRequests, tolerant());
  loader.start(work_of(corpus));
  keys_of(loader);
  const auto first = loader.replacements().at(0).replacement;
  for (std::uint64_t i = 20; i < 30; ++i) {
    if (corpus.entry(i) == first) corpus.flip(i, "month");
  }
  Loader again(corpus.path(), kRequests, tolerant());
  again.start(work_of(corpus));
  keys_of(again);
  EXPECT_NE(again.replacements().at(0).replacement, first);
}

TEST(BadTiles, TooManyStopTheRunWithTheirList) {
  const SmallCorpus corpus(30);
  for (const std::uint64_t tile : {2u, 5u, 8u, 11u, 17u}) corpus.flip(tile, "sentinel2");
  Loader loader(corpus.path(), kRequests, tolerant());
  loader.start(work_of(corpus));
  try {
    keys_of(loader);
    FAIL() << "five of twenty were accepted at a rate of 0.2";
  } catch (const IntegrityError& error) {
    EXPECT_NE(error.message().find("position 102"), std::string::npos);
    EXPECT_NE(error.message().find("position 117"), std::string::npos);
  }
}

TEST(BadTiles, TheRateIsOfTheWholeEpochNotOfWhatIsLeftOfIt) {
  const SmallCorpus corpus(30);
  for (const std::uint64_t tile : {2u, 5u, 8u, 11u, 17u}) corpus.flip(tile, "sentinel2");
  Loader loader(corpus.path(), kRequests, tolerant());
  Work work = work_of(corpus);
  work.total = 25;  // five on other ranks, or before a restart
  loader.start(work);
  EXPECT_EQ(keys_of(loader).size(), 20u);
  EXPECT_THROW(require_bad_rate(6, 25, 0.2, loader.replacements()), IntegrityError);
}

TEST(BadTiles, ATruncatedOrMissingShardMakesItsTilesBad) {
  const SmallCorpus corpus(30);
  std::filesystem::resize_file(corpus::shard_path(corpus.path(), 0), 3000);
  std::filesystem::remove(corpus::shard_index_path(corpus.path(), 2));
  LoaderOptions options = tolerant();
  options.max_bad_rate = 1;
  Loader loader(corpus.path(), kRequests, options);
  loader.start(work_of(corpus));
  const auto keys = keys_of(loader);
  EXPECT_EQ(keys.size(), 20u);
  EXPECT_GE(loader.replacements().size(), 6u + 5u);
}

TEST(BadTiles, WithoutReserveOrToleranceTheFirstStopsTheRun) {
  const SmallCorpus corpus(30);
  corpus.flip(9, "sentinel2");
  Loader loader(corpus.path(), kRequests, tolerant());
  Work work = work_of(corpus);
  work.reserve.clear();
  loader.start(work);
  ASSERT_TRUE(loader.next());
  ASSERT_TRUE(loader.next());
  EXPECT_THROW(loader.next(), IntegrityError);
  LoaderOptions strict;
  strict.max_bad_rate = 0;
  Loader other(corpus.path(), kRequests, strict);
  other.start(work_of(corpus));
  EXPECT_THROW(keys_of(other), IntegrityError);
  const std::vector<std::uint64_t> rows = {9};
  EXPECT_THROW(other.load_tiles(rows), IntegrityError);
}

}  // namespace
}  // namespace terramill::loader
