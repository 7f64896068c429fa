#include "mpi/checkpoint/invented_state.hpp"

#include <terramill/checkpoint/local_tier.hpp>
#include <terramill/checkpoint/reader.hpp>
#include <terramill/core/fault_points.hpp>
#include <terramill/core/file.hpp>

#include <filesystem>
#include <fstream>
#include <set>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::checkpoint {
namespace {

namespace fs = std::filesystem;
using terramill::testing::flip_byte;
using terramill::testing::invented_state;
using terramill::testing::SharedScratch;

/// Each rank plays a node of its own.
class LocalCheckpoints : public ::testing::Test {
 protected:
  LocalTier tier_of(const mpi::Communicator& comm, int parity_set = 4, const std::string& run = "this-run") {
    return {comm, {disks, run, {node(comm.rank()), ""}, parity_set}};
  }
  static std::string node(int rank) { return "node" + std::to_string(rank); }

  /// More than a block of parity where there are few ranks, and lengths that differ.
  static std::vector<NamedTensor> state(std::int64_t seed) {
    auto tensors = invented_state(seed);
    tensors.emplace_back("model.large", torch::arange(2'500'001, at::kFloat) + static_cast<double>(seed));
    return tensors;
  }
  void write_step(const LocalTier& tier, const mpi::Communicator& comm, std::int64_t step) {
    tier.write(comm, Snapshot(comm.rank(), comm.size(), step, state(step), {{"step", step}}));
  }
  void lose(int rank) {
    world.barrier();
    if (world.rank() == 0) fs::remove_all(disks / "this-run" / node(rank));
    world.barrier();
  }
  /// The promoted checkpoint has the bytes that an ordinary one has.
  void expect_whole(const fs::path& promoted, const fs::path& ordinary, const std::string& what) {
    int files = 0;
    for (const auto& entry : fs::directory_iterator(ordinary)) {
      EXPECT_TRUE(read_bytes(entry.path()) == read_bytes(promoted / entry.path().filename()))
          << what << ": " << entry.path().filename();
      ++files;
    }
    EXPECT_EQ(files, std::distance(fs::directory_iterator(promoted), {})) << what;
    world.barrier();
  }

  mpi::Communicator world = mpi::Communicator::world();
  SharedScratch scratch{world};
  fs::path disks = scratch.path() / "disks", run = scratch.path() / "run";
  bool alone = world.size() == 1;
};

TEST_F(LocalCheckpoints, AnyOneLostNodeIsRebuiltBitForBit) {
  const LocalTier tier = tier_of(world);
  const fs::path ordinary = save(world, scratch.path() / "ordinary", 7, state(7), {{"step", 7}});
  for (int lost = alone ? world.size() : 0; lost <= world.size(); ++lost) {  // the last: none is lost
    write_step(tier, world, 7);
    if (lost < world.size()) lose(lost);
    const auto found = tier.find(world);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].fault, "");
    expect_whole(tier.promote(world, found[0], run), ordinary, "lost " + std::to_string(lost));
  }
}

TEST_F(LocalCheckpoints, AFlippedByteIsMadeGoodAnywhere) {
  if (alone) GTEST_SKIP() << "needs a partner";
  const LocalTier tier = tier_of(world);
  const fs::path ordinary = save(world, scratch.path() / "ordinary", 7, state(7), {{"step", 7}});
  for (const double place : {0.00001, 0.5, 0.99999}) {
    write_step(tier, world, 7);
    if (world.rank() == 0) {
      const fs::path file = disks / "this-run" / node(1) / "step-00000007" / "rank-00001.safetensors";
      flip_byte(file, static_cast<std::uint64_t>(place * static_cast<double>(fs::file_size(file))));
    }
    world.barrier();
    const auto found = tier.find(world);
    expect_whole(tier.promote(world, found.at(0), run), ordinary, "flipped");
  }
}

/// Does `act` to the file, in the middle of what is done with it, each time that `event` befalls one of the
/// name.
class Meanwhile {
 public:
  using Act = void (*)(const fs::path& file);
  Meanwhile(fault_points::FileEvent event, const fs::path& name, Act act) {
    wanted = event, file_name = name, does = act;
    fault_points::set_hooks(
        [](fault_points::FileEvent now, const fs::path& file) {
          if (now == wanted && file.filename() == file_name) does(file);
          return 0;
        },
        nullptr);
  }
  Meanwhile(const Meanwhile&) = delete;
  ~Meanwhile() { fault_points::set_hooks(nullptr, nullptr); }

 private:
  static inline fault_points::FileEvent wanted;
  static inline fs::path file_name;
  static inline Act does;
};

TEST_F(LocalCheckpoints, WhatBreaksWhileItIsCopiedIsRebuilt) {
  if (alone) GTEST_SKIP() << "needs a partner";
  const LocalTier tier = tier_of(world);
  const fs::path ordinary = save(world, scratch.path() / "ordinary", 7, state(7), {{"step", 7}});
  write_step(tier, world, 7);
  const auto found = tier.find(world);
  static fs::path source;
  source = world.rank() == 1 ? disks / "this-run" / node(1) / "step-00000007" / "rank-00001.safetensors" : "";
  const Meanwhile broken(fault_points::FileEvent::kCreated, "rank-00001.safetensors", [](const fs::path&) {
    if (!source.empty()) fs::resize_file(source, 100);
  });
  expect_whole(tier.promote(world, found.at(0), run), ordinary, "broken while it was copied");
}

// An older checkpoint would be no better off there.
TEST_F(LocalCheckpoints, ARunFolderThatLosesARebuiltFileIsNoDamageOfTheCheckpoint) {
  if (alone) GTEST_SKIP() << "needs a partner";
  const LocalTier tier = tier_of(world);
  write_step(tier, world, 7);
  lose(1);
  const auto found = tier.find(world);
  const Meanwhile lost(fault_points::FileEvent::kWrite, "rank-00001.safetensors",
                       [](const fs::path& file) { fs::remove(file); });
  EXPECT_THROW(damage_in(world, [&] { tier.promote(world, found.at(0), run); }), Error);
}

TEST_F(LocalCheckpoints, TwoLostNodesOfASetAreRefusedByName) {
  if (world.size() < 3) GTEST_SKIP() << "needs three nodes";
  const LocalTier tier = tier_of(world);
  write_step(tier, world, 7);
  lose(0);
  lose(2);
  const auto found = tier.find(world);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_NE(found[0].fault.find("ranks 0, 2"), std::string::npos) << found[0].fault;
  EXPECT_THROW(tier.promote(world, found[0], run), IntegrityError);
  EXPECT_TRUE(list(run).empty());
}

TEST_F(LocalCheckpoints, ALostNodeAndADamagedOneAreRefusedAndNothingIsLeft) {
  if (world.size() < 3) GTEST_SKIP() << "needs three nodes";
  const LocalTier tier = tier_of(world);
  write_step(tier, world, 7);
  if (world.rank() == 0)
    flip_byte(disks / "this-run" / node(1) / "step-00000007" / "rank-00001.safetensors", 5000);
  lose(2);
  const auto found = tier.find(world);
  EXPECT_EQ(found.at(0).fault, "") << "the damage shows when bytes are read";
  EXPECT_THROW(tier.promote(world, found[0], run), Error);
  world.barrier();
  EXPECT_TRUE(fs::is_empty(run / "checkpoints"));
}

TEST_F(LocalCheckpoints, ParityTakesTheBytesOverOneLessThanTheMembers) {
  const LocalTier tier = tier_of(world);
  write_step(tier, world, 7);
  const std::uint64_t longest = world.max(tier.own_bytes());
  const auto others = static_cast<std::uint64_t>(world.size() - 1);
  EXPECT_EQ(tier.parity_bytes(), alone ? 0 : (longest + others - 1) / others);
  EXPECT_EQ(tier.unprotected().size(), alone ? 1U : 0U);
  const fs::path parity = disks / "this-run" / node(world.rank()) / "step-00000007" /
                          ("rank-0000" + std::to_string(world.rank()) + ".parity");
  EXPECT_EQ(fs::exists(parity), !alone);
  if (!alone) {
    EXPECT_EQ(fs::file_size(parity), tier.parity_bytes());
  }
}

TEST_F(LocalCheckpoints, FewerRanksRestoreWhatMoreWrote) {
  if (world.size() < 2) GTEST_SKIP() << "needs two nodes";
  write_step(tier_of(world), world, 7);
  const fs::path ordinary = save(world, scratch.path() / "ordinary", 7, state(7), {{"step", 7}});
  world.barrier();
  // The last node does not come back.
  const bool stays = world.rank() + 1 < world.size();
  const mpi::Communicator part = world.split(stays ? 0 : 1, world.rank());
  if (stays) {
    const LocalTier tier = tier_of(part);
    const auto found = tier.find(part);
    ASSERT_EQ(found.size(), 1U);
    tier.promote(part, found[0], run);
  }
  world.barrier();
  expect_whole(run / "checkpoints" / "step-00000007", ordinary, "by fewer");
}

TEST_F(LocalCheckpoints, TheTwoNewestOfTheCourseAreKept) {
  const LocalTier tier = tier_of(world);
  for (const std::int64_t step : {2, 4, 6, 8}) write_step(tier, world, step);
  world.barrier();
  const auto steps = [&] {
    std::vector<std::int64_t> all;
    for (const auto& found : tier.find(world)) all.push_back(found.step);
    return all;
  };
  EXPECT_EQ(steps(), (std::vector<std::int64_t>{8, 6}));
  write_step(tier, world, 7);  // after going back to 6
  world.barrier();
  EXPECT_EQ(steps(), (std::vector<std::int64_t>{7, 6}));
}

TEST_F(LocalCheckpoints, OfOtherRunsAreNotLookedAt) {
  write_step(tier_of(world, 4, "another-run"), world, 7);
  world.barrier();
  EXPECT_TRUE(tier_of(world).find(world).empty());
}

TEST_F(LocalCheckpoints, AFailedWriteLeavesTheOneBefore) {
  const LocalTier tier = tier_of(world);
  write_step(tier, world, 1);
  world.barrier();
  const fs::path home = disks / "this-run" / node(world.size() - 1), away = scratch.path() / "away";
  if (world.rank() == 0) {
    fs::rename(home, away);
    std::ofstream(home) << "no directory can be made below a file";
  }
  world.barrier();
  EXPECT_THROW(write_step(tier, world, 2), Error);
  world.barrier();
  if (world.rank() == 0) {
    fs::remove(home);
    fs::rename(away, home);
    for (const auto& entry : fs::recursive_directory_iterator(disks))
      EXPECT_EQ(entry.path().string().find(".tmp"), std::string::npos) << entry.path();
  }
  world.barrier();
  const auto found = tier.find(world);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].step, 1);
  EXPECT_EQ(found[0].fault, "");
}

TEST_F(LocalCheckpoints, AKillBetweenTheNodesLeavesTheOneBefore) {
  if (world.size() < 3) GTEST_SKIP() << "needs three nodes";
  const LocalTier tier = tier_of(world);
  write_step(tier, world, 1);
  write_step(tier, world, 2);
  world.barrier();
  // Two nodes had not given the second its name.
  for (const int late : {0, 1}) {
    const fs::path home = disks / "this-run" / node(late);
    if (world.rank() == 0) fs::rename(home / "step-00000002", home / ".step-00000002.tmp");
  }
  world.barrier();
  const auto found = tier.find(world);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].step, 2);
  EXPECT_NE(found[0].fault, "");
  EXPECT_EQ(found[1].fault, "");
  EXPECT_EQ(Reader(tier.promote(world, found[1], run)).step(), 1);
}

}  // namespace
}  // namespace terramill::checkpoint
