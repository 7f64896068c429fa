#include "corpus/shard_work.hpp"

#include "corpus/merge_inputs.hpp"
#include "support/shared_scratch.hpp"

#include <terramill/core/activity.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>

#include <atomic>
#include <chrono>
#include <numeric>

#include <gtest/gtest.h>

namespace terramill::corpus {
namespace {

std::vector<std::uint64_t> all_of(std::uint64_t count) {
  std::vector<std::uint64_t> items(count);
  std::iota(items.begin(), items.end(), 0);
  return items;
}

TEST(ShareShards, EachIsTakenOnce) {
  const mpi::Communicator world = mpi::Communicator::world();
  std::vector<std::atomic<std::uint64_t>> taken(100);
  share_shards(world, "test", all_of(taken.size()), taken.size(), 3,
               [&](std::uint64_t shard) { ++taken[shard]; });
  for (const auto& count : taken) EXPECT_EQ(world.sum(count.load()), 1u);
}

TEST(ShareShards, WhenOneFailsTheOtherThreadsTakeNoMore) {
  const mpi::Communicator alone = mpi::Communicator::self();
  constexpr std::uint64_t kShards = 1000000;
  std::atomic<std::uint64_t> taken = 0;
  EXPECT_THROW(share_shards(alone, "test", all_of(kShards), kShards, 2,
                            [&](std::uint64_t shard) {
                              if (shard == 0) throw FormatError("refused");
                              ++taken;
                            }),
               FormatError);
  EXPECT_LT(taken, kShards - 1);
}

/// The longest silence that counts, at `now`.
double longest_silence(std::chrono::steady_clock::time_point now) {
  double longest = 0;
  for (const Silence& one : silences(now)) longest = std::max(longest, one.seconds);
  return longest;
}

TEST(ShareShards, WhatAThreadReadsOfAShardIsABeat) {
  const mpi::Communicator alone = mpi::Communicator::self();
  share_shards(alone, "test", {0}, 1, 1, [&](std::uint64_t) {
    while (!(longest_silence(std::chrono::steady_clock::now()) > 0)) {
    }
    // As soon as the main thread waits, this one's beats are all that counts; else this never ends.
    auto now = std::chrono::steady_clock::now();
    for (beat(); longest_silence(now) > 0; beat()) now = std::chrono::steady_clock::now();
  });
}

TEST(ReadQuarantine, LinesThatAreMissingAreAFault) {
  const mpi::Communicator alone = mpi::Communicator::self();
  const testing::SharedScratch scratch(alone);
  MergeInput input;
  input.folder = scratch / "corpus";
  std::filesystem::create_directories(input.folder);
  const std::string line = R"({"id": "a", "file": "a.tif", "reason": "is too short"})"
                           "\n";
  write_file_durably(input.folder / kQuarantineFile, line + line);
  input.manifest.quarantined = 2;
  EXPECT_EQ(read_quarantine(input).size(), 2u);
  input.manifest.quarantined = 3;
  EXPECT_THROW(read_quarantine(input), IntegrityError);
  std::filesystem::remove(input.folder / kQuarantineFile);
  EXPECT_THROW(read_quarantine(input), IoError);
}

}  // namespace
}  // namespace terramill::corpus
