#include "mpi/checkpoint/invented_state.hpp"
#include "support/error_text.hpp"

#include <terramill/checkpoint/checkpoint.hpp>
#include <terramill/checkpoint/reader.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <set>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::checkpoint {
namespace {

namespace fs = std::filesystem;
using terramill::testing::invented_state;
using terramill::testing::NoSpaceForStepTwo;
using terramill::testing::SharedScratch;

void expect_state(const Reader& reader, std::int64_t seed) {
  const auto expected = invented_state(seed);
  EXPECT_EQ(reader.tensors().size(), expected.size());
  for (const auto& [name, tensor] : expected) {
    const at::Tensor read = reader.read(name);
    EXPECT_TRUE(read.equal(tensor)) << name;
    EXPECT_EQ(read.scalar_type(), tensor.scalar_type()) << name;
    EXPECT_EQ(read.sizes(), tensor.sizes()) << name;
  }
}

TEST(Checkpoint, WhatAnyNumberOfRanksWriteAnyNumberReads) {
  const mpi::Communicator world = mpi::Communicator::world();
  const SharedScratch scratch(world);
  for (int writers = 1; writers <= world.size(); ++writers) {
    const mpi::Communicator part = world.split(world.rank() < writers ? 0 : 1, world.rank());
    const fs::path run = scratch.path() / std::to_string(writers);
    if (world.rank() < writers) {
      const fs::path path =
          save(part, run, 1200, invented_state(writers), {{"epoch", 3}, {"loss", {1.5, -0.25}}});
      EXPECT_EQ(path, run / "checkpoints" / "step-00001200");
    }
    world.barrier();
    const Reader reader(run / "checkpoints" / "step-00001200");
    expect_state(reader, writers);
    EXPECT_EQ(reader.step(), 1200);
    EXPECT_EQ(reader.meta().at("epoch"), 3);
    EXPECT_EQ(reader.meta().at("loss").at(1), -0.25);
    EXPECT_EQ(find_latest(world, run), reader.directory());
  }
}

TEST(Checkpoint, EveryByteIsWrittenOnceInSharesOfEqualSize) {
  const mpi::Communicator world = mpi::Communicator::world();
  const SharedScratch scratch(world);
  const Reader reader(save(world, scratch.path(), 1, invented_state(0), {}));
  std::map<std::string, std::int64_t> shares;
  std::int64_t total = 0;
  for (const TensorEntry& entry : reader.tensors()) {
    for (const Slice& slice : entry.slices) {
      const auto bytes = (slice.end - slice.begin) * static_cast<std::int64_t>(c10::elementSize(entry.dtype));
      shares[slice.file] += bytes;
      total += bytes;
    }
  }
  EXPECT_EQ(shares.size(), static_cast<std::size_t>(world.size()));
  for (const auto& [file, bytes] : shares) EXPECT_NEAR(bytes, total / world.size(), 8) << file;
}

TEST(Checkpoint, ASnapshotKeepsTheValuesOfItsMoment) {
  const mpi::Communicator world = mpi::Communicator::world();
  const SharedScratch scratch(world);
  auto state = invented_state(4);
  const Snapshot snapshot(world.rank(), world.size(), 7, state, {});
  for (auto& [name, tensor] : state) tensor.zero_();
  expect_state(Reader(write(world, scratch.path(), snapshot)), 4);
}

TEST(Checkpoint, ReadsIntoATensorOfItsShapeAndTypeOnly) {
  const mpi::Communicator world = mpi::Communicator::world();
  const SharedScratch scratch(world);
  const Reader reader(save(world, scratch.path(), 1, invented_state(5), {}));
  at::Tensor weight = torch::zeros({8, 4, 3, 3}).requires_grad_();
  reader.read_into("model.conv.weight", weight);
  EXPECT_TRUE(weight.equal(reader.read("model.conv.weight")));
  EXPECT_THROW(reader.read_into("model.conv.weight", torch::zeros({8, 4, 9})), FormatError);
  EXPECT_THROW(reader.read_into("model.conv.weight", torch::zeros({8, 4, 3, 3}, at::kDouble)), FormatError);
  EXPECT_THROW(reader.read("model.absent"), FormatError);
}

TEST(Checkpoint, RefusesTwoTensorsOfOneName) {
  auto state = invented_state(0);
  state.push_back(state.front());
  EXPECT_THROW(Snapshot(0, 1, 0, state, {}), UsageError);
}

TEST(Checkpoint, SavingAStepAgainReplacesIt) {
  const mpi::Communicator world = mpi::Communicator::world();
  const SharedScratch scratch(world);
  save(world, scratch.path(), 5, invented_state(1), {});
  expect_state(Reader(save(world, scratch.path(), 5, invented_state(2), {})), 2);
  if (world.rank() == 0) {
    EXPECT_EQ(list(scratch.path()).size(), 1U);
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(scratch.path() / "checkpoints")) {
      names.insert(entry.path().filename().string());
    }
    EXPECT_EQ(names, (std::set<std::string>{"latest", "step-00000005"}));
    EXPECT_EQ(read_text(scratch.path() / "checkpoints" / "latest"), "step-00000005\n");
  }
}

TEST(Checkpoint, PruningKeepsTheNewest) {
  const mpi::Communicator world = mpi::Communicator::world();
  const SharedScratch scratch(world);
  EXPECT_EQ(find_latest(world, scratch.path()), std::nullopt);
  for (int step = 1; step <= 4; ++step)
    save(world, scratch.path(), step * 30'000'000, invented_state(step), {});
  if (world.rank() == 0) {
    // What is later than the newest good one neither counts nor goes.
    EXPECT_EQ(prune(scratch.path(), {1}, 60'000'000).size(), 1U);
    ASSERT_EQ(list(scratch.path()).size(), 3U);
    EXPECT_EQ(list(scratch.path()).front().filename(), "step-60000000");
    prune(scratch.path(), {2}, 120'000'000);
    const auto left = list(scratch.path());
    ASSERT_EQ(left.size(), 2U);
    EXPECT_EQ(left[0].filename(), "step-90000000");
    EXPECT_EQ(left[1].filename(), "step-120000000");
    EXPECT_THROW(prune(scratch.path(), {0}, 120'000'000), UsageError);
  }
}

TEST(Checkpoint, AFolderThatCannotBeReadIsNoNewRun) {
  const mpi::Communicator world = mpi::Communicator::world();
  const SharedScratch scratch(world);
  if (world.rank() == 0) std::ofstream(scratch.path() / "checkpoints") << "no folder";
  world.barrier();
  EXPECT_THROW(list(scratch.path()), IoError);
  EXPECT_THROW(find_latest(world, scratch.path()), Error) << "on every rank";
}

TEST(Checkpoint, OnlyDamageIsAReasonForAnOlderOne) {
  const mpi::Communicator world = mpi::Communicator::world();
  const int last = world.size() - 1;
  const auto fails_with = [&](const auto& error) {
    return [&] {
      mpi::all_or_none(world, [&] {
        if (world.rank() == last) throw error;
      });
    };
  };
  EXPECT_EQ(damage_in(world, [] {}), "");
  EXPECT_TRUE(testing::contains(damage_in(world, fails_with(IntegrityError("one bit"))), "one bit"));
  EXPECT_TRUE(testing::contains(damage_in(world, fails_with(FormatError("cut"))), "cut"));
  EXPECT_NE(damage_in(world, fails_with(IoError("gone", ENOENT))), "");
  EXPECT_NE(damage_in(world, fails_with(IoError("unreadable", EIO))), "");
  EXPECT_THROW(damage_in(world, fails_with(IoError("full", ENOSPC))), Error) << "on every rank";
  EXPECT_THROW(damage_in(world, fails_with(UsageError("another run's"))), Error);
}

TEST(Checkpoint, WhatAKillLeftIsUsedAndPutRightByTheNextSave) {
  const mpi::Communicator world = mpi::Communicator::world();
  const SharedScratch scratch(world);
  const fs::path folder = scratch.path() / "checkpoints";
  save(world, scratch.path(), 1, invented_state(1), {});
  save(world, scratch.path(), 2, invented_state(2), {});
  if (world.rank() == 0) {
    // Killed while writing step 3, and between the two renames that replace step 2.
    fs::create_directory(folder / ".step-00000003-0123456789abcdef.tmp");
    std::ofstream(folder / ".step-00000003-0123456789abcdef.tmp" / "rank-00000.safetensors") << "half";
    fs::rename(folder / "step-00000002", folder / ".step-00000002.old");
  }
  world.barrier();
  const auto newest = find_latest(world, scratch.path());
  ASSERT_TRUE(newest);
  expect_state(Reader(*newest), 2);
  EXPECT_TRUE(fs::exists(folder / ".step-00000003-0123456789abcdef.tmp")) << "another job may be writing it";
  world.barrier();
  save(world, scratch.path(), 4, invented_state(4), {});
  EXPECT_FALSE(fs::exists(folder / ".step-00000003-0123456789abcdef.tmp"));
  expect_state(Reader(folder / "step-00000002"), 2);
}

TEST(Checkpoint, AFailureOnOneRankReachesAllAndLeavesNothing) {
  const mpi::Communicator world = mpi::Communicator::world();
  const SharedScratch scratch(world);
  save(world, scratch.path(), 1, invented_state(1), {});
  {
    const NoSpaceForStepTwo fault;
    EXPECT_THROW(save(world, scratch.path(), 2, invented_state(2), {}), Error);
  }
  world.barrier();
  const fs::path folder = scratch.path() / "checkpoints";
  EXPECT_EQ(find_latest(world, scratch.path()), folder / "step-00000001");
  for (const auto& entry : fs::directory_iterator(folder))
    EXPECT_EQ(entry.path().string().find("step-00000002"), std::string::npos) << entry.path();
}

}  // namespace
}  // namespace terramill::checkpoint
