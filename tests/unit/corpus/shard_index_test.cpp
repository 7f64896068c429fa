#include "support/scratch.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/corpus/shard_index.hpp>

#include <gtest/gtest.h>

namespace terramill::corpus {
namespace {

ShardIndex invented_index() {
  ShardIndex index(5, 3);
  for (std::uint64_t row = 0; row < 5; ++row) {
    for (std::uint32_t m = 0; m < 3; ++m)
      index.at(row, m) = {1000 * row + m, 17 + m, row * 0x9e3779b97f4a7c15u + m};
  }
  return index;
}

TEST(ShardIndex, SurvivesTheFile) {
  const testing::Scratch scratch;
  invented_index().write(scratch / "a.idx");
  const ShardIndex again = ShardIndex::read(scratch / "a.idx");
  ASSERT_EQ(again.tiles(), 5u);
  ASSERT_EQ(again.modalities(), 3u);
  for (std::uint64_t row = 0; row < 5; ++row) {
    for (std::uint32_t m = 0; m < 3; ++m) {
      EXPECT_EQ(again.at(row, m).offset, 1000 * row + m);
      EXPECT_EQ(again.at(row, m).size, 17 + m);
      EXPECT_EQ(again.at(row, m).xxh3, row * 0x9e3779b97f4a7c15u + m);
    }
  }
}

TEST(ShardIndex, EveryFlippedBitAndEveryCutIsRefused) {
  const testing::Scratch scratch;
  invented_index().write(scratch / "a.idx");
  const std::string good = read_text(scratch / "a.idx");
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << at % 8));
    write_file_durably(scratch / "b.idx", bad);
    EXPECT_THROW(ShardIndex::read(scratch / "b.idx"), Error) << "byte " << at;
  }
  for (const std::size_t size : {std::size_t{0}, std::size_t{7}, std::size_t{40}, good.size() - 1}) {
    write_file_durably(scratch / "b.idx", good.substr(0, size));
    EXPECT_THROW(ShardIndex::read(scratch / "b.idx"), Error) << "cut to " << size;
  }
  EXPECT_THROW(ShardIndex::read(scratch / "none.idx"), IoError);
}

}  // namespace
}  // namespace terramill::corpus
