#include "small_corpus.hpp"

#include <terramill/loader/loader.hpp>

#include <set>

#include <gtest/gtest.h>

namespace terramill::loader {
namespace {

/// Positions 0 … count - 1, all of tile `tile`.
Work repeated(const SmallCorpus& corpus, std::uint64_t tile, std::uint64_t count, std::uint64_t epoch = 0) {
  Work work;
  work.seed = 4;
  work.epoch = epoch;
  work.micro_batch = static_cast<int>(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    work.positions.push_back(i);
    work.entries.push_back(corpus.entry(tile));
  }
  return work;
}

TEST(Crop, IsOneWindowForAllPixelModalities) {
  const SmallCorpus corpus(7);
  LoaderOptions options;
  options.crop_size = 6;
  Loader loader(corpus.path(),
                {{"sentinel2", {"B8"}, Form::kStored},
                 {"dynamic_world", {}, Form::kStored},
                 {"lat", {}, Form::kStored}},
                options);
  loader.start(repeated(corpus, 6, 40));
  const auto batch = loader.next();
  ASSERT_TRUE(batch);
  EXPECT_EQ(batch->blocks[0].shape, (std::vector<std::int64_t>{40, 1, 6, 6}));
  EXPECT_EQ(batch->blocks[2].shape, (std::vector<std::int64_t>{40, 2}));
  for (std::size_t i = 0; i < 40; ++i) {
    const auto left = static_cast<std::size_t>(batch->windows[i].x);
    const auto top = static_cast<std::size_t>(batch->windows[i].y);
    for (std::size_t y = 0; y < 6; ++y) {
      for (std::size_t x = 0; x < 6; ++x) {
        const std::size_t pixel = (top + y) * 16 + left + x;
        const std::size_t at = i * 36 + y * 6 + x;
        EXPECT_EQ(batch->blocks[0].floats[at],
                  corpus.value<std::uint16_t>(6, "sentinel2", std::size_t{8} * 256 + pixel));
        EXPECT_EQ(batch->blocks[1].floats[at], corpus.value<std::uint8_t>(6, "dynamic_world", pixel));
      }
    }
  }
}

TEST(Crop, DiffersBetweenRepetitionsAndEpochsAndCoversTheTile) {
  const SmallCorpus corpus(2);
  LoaderOptions options;
  options.crop_size = 14;
  Loader loader(corpus.path(), {{"aster", {}, Form::kStored}}, options);
  std::set<std::pair<int, int>> seen;
  loader.start(repeated(corpus, 1, 200));
  const auto first = loader.next();
  for (const Window window : first->windows) seen.emplace(window.x, window.y);
  EXPECT_EQ(seen.size(), 9u) << "offsets 0, 1 and 2 both ways";
  EXPECT_EQ(seen.rbegin()->first, 2);
  loader.start(repeated(corpus, 1, 200, 1));
  EXPECT_NE(loader.next()->windows, first->windows);
}

TEST(Crop, IsCentredWhereItIsNotRandom) {
  const SmallCorpus corpus(2);
  LoaderOptions options;
  options.crop_size = 9;
  options.random_crop = false;
  Loader loader(corpus.path(), {{"aster", {}, Form::kStored}}, options);
  loader.start(repeated(corpus, 1, 3));
  const auto batch = loader.next();
  for (const Window window : batch->windows) EXPECT_EQ(window, (Window{3, 3}));
}

}  // namespace
}  // namespace terramill::loader
