#include "mpi/checkpoint/invented_state.hpp"

#include <terramill/checkpoint/async_writer.hpp>
#include <terramill/checkpoint/reader.hpp>
#include <terramill/core/file.hpp>

#include <atomic>
#include <cerrno>
#include <filesystem>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::checkpoint {
namespace {

namespace fs = std::filesystem;
using terramill::testing::invented_state;
using terramill::testing::NoSpaceForStepTwo;
using terramill::testing::SharedScratch;
using Tier = AsyncWriter::Tier;

AsyncWriter::Sink writes_to(const fs::path& run) {
  return [run](const mpi::Communicator& comm, const Snapshot& snapshot) { write(comm, run, snapshot); };
}

std::vector<StateTensor> held_by_all(const mpi::Communicator& world,
                                     const std::vector<NamedTensor>& tensors) {
  std::vector<StateTensor> state;
  for (const NamedTensor& tensor : tensors)
    state.push_back(whole_state(tensor, {Holders::Set::kAll, world.rank(), world.size()}));
  return state;
}

class AsyncWriting : public ::testing::Test {
 protected:
  void submit(AsyncWriter& writer, std::int64_t step, std::vector<Tier> tiers = {Tier::kShared}) {
    writer.submit(step, held_by_all(world, invented_state(step)), {{"step", step}}, std::move(tiers));
  }
  mpi::Communicator world = mpi::Communicator::world();
  SharedScratch scratch{world};
};

TEST_F(AsyncWriting, SavesTheBytesThatSavingAtOnceSaves) {
  const fs::path now = save(world, scratch.path() / "now", 3, invented_state(3), {{"step", 3}});
  AsyncWriter writer(world, writes_to(scratch.path() / "behind"));
  // Memory of the first is used again for the others, and training changes the tensors at once.
  for (std::int64_t step = 1; step <= 3; ++step) {
    const std::vector<NamedTensor> tensors = invented_state(step);
    writer.submit(step, held_by_all(world, tensors), {{"step", step}}, {Tier::kShared});
    for (const auto& [name, tensor] : tensors) tensor.zero_();
  }
  for (const AsyncWriter::Outcome& outcome : writer.wait()) EXPECT_FALSE(outcome.fault);
  world.barrier();
  const fs::path behind = scratch.path() / "behind" / "checkpoints" / now.filename();
  int files = 0;
  for (const auto& entry : fs::directory_iterator(now)) {
    EXPECT_TRUE(read_bytes(entry.path()) == read_bytes(behind / entry.path().filename())) << entry.path();
    ++files;
  }
  EXPECT_EQ(files, world.size() + 1);
}

TEST_F(AsyncWriting, AWaitedForWriteLeavesTheMemoryOfOthersAlone) {
  AsyncWriter writer(world, writes_to(scratch.path()));
  submit(writer, 1);
  const std::vector<NamedTensor> tensors = invented_state(2);
  writer.write(2, held_by_all(world, tensors), {{"step", 2}}, {Tier::kShared});
  EXPECT_EQ(writer.wait().size(), 2U) << "both are told";
  submit(writer, 3);  // into the first one's memory, not into the tensors
  writer.wait();
  const std::vector<NamedTensor> expected = invented_state(2);
  for (std::size_t i = 0; i < tensors.size(); ++i)
    EXPECT_TRUE(torch::equal(tensors[i].second, expected[i].second)) << tensors[i].first;
  const fs::path now = save(world, scratch.path() / "now", 2, expected, {{"step", 2}});
  for (const auto& entry : fs::directory_iterator(now)) {
    EXPECT_TRUE(read_bytes(entry.path()) ==
                read_bytes(scratch.path() / "checkpoints" / now.filename() / entry.path().filename()))
        << entry.path();
  }
}

TEST_F(AsyncWriting, AFailedWriteLeavesTheCheckpointBeforeAndTheNextSucceeds) {
  AsyncWriter writer(world, writes_to(scratch.path()));
  const fs::path folder = scratch.path() / "checkpoints";
  submit(writer, 1);
  EXPECT_EQ(writer.wait().size(), 1U);
  std::vector<AsyncWriter::Outcome> outcomes;
  {
    const NoSpaceForStepTwo fault;
    submit(writer, 2);
    outcomes = writer.wait();
  }
  ASSERT_EQ(outcomes.size(), 1U);
  EXPECT_EQ(outcomes[0].step, 2);
  EXPECT_THROW(std::rethrow_exception(outcomes[0].fault), Error);
  EXPECT_EQ(find_latest(world, scratch.path()), folder / "step-00000001");
  submit(writer, 3);
  EXPECT_FALSE(writer.wait().at(0).fault);
  EXPECT_EQ(find_latest(world, scratch.path()), folder / "step-00000003");
}

TEST_F(AsyncWriting, OneIsUnderWayAtATimeAndEachIsToldOnce) {
  std::atomic<int> under_way{0}, most{0};
  AsyncWriter writer(world, [&](const mpi::Communicator& comm, const Snapshot& snapshot) {
    most = std::max(most.load(), ++under_way);
    write(comm, scratch.path(), snapshot);
    --under_way;
  });
  std::vector<std::int64_t> told;
  const auto note = [&](const std::vector<AsyncWriter::Outcome>& outcomes) {
    for (const AsyncWriter::Outcome& outcome : outcomes) told.push_back(outcome.step);
  };
  for (std::int64_t step = 1; step <= 4; ++step) {
    submit(writer, step);
    note(writer.finished());
  }
  note(writer.wait());
  EXPECT_EQ(told, (std::vector<std::int64_t>{1, 2, 3, 4}));
  EXPECT_TRUE(writer.wait().empty());
  EXPECT_FALSE(writer.busy());
  EXPECT_EQ(most, 1);
}

TEST_F(AsyncWriting, AFaultOfOneTierLeavesTheOther) {
  AsyncWriter writer(world, writes_to(scratch.path()), [](const mpi::Communicator& comm, const Snapshot&) {
    mpi::all_or_none(comm, [&] {
      if (comm.rank() == comm.size() - 1) throw IoError("no space", ENOSPC);
    });
  });
  submit(writer, 5, {Tier::kLocal, Tier::kShared});
  const auto outcomes = writer.wait();
  ASSERT_EQ(outcomes.size(), 2U);
  EXPECT_TRUE(outcomes[0].fault);
  EXPECT_FALSE(outcomes[1].fault);
  EXPECT_EQ(list(scratch.path()).size(), 1U);
}

TEST_F(AsyncWriting, EndsWithWhatIsUnderWay) {
  {
    AsyncWriter writer(world, writes_to(scratch.path()));
    submit(writer, 9);
  }
  world.barrier();
  EXPECT_EQ(find_latest(world, scratch.path()), scratch.path() / "checkpoints" / "step-00000009");
}

}  // namespace
}  // namespace terramill::checkpoint
