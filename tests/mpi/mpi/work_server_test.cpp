#include <terramill/mpi/work_server.hpp>

#include <algorithm>
#include <numeric>

#include <gtest/gtest.h>

namespace terramill::mpi {
namespace {

TEST(WorkServer, EveryItemGoesToExactlyOneRank) {
  const Communicator world = Communicator::world();
  std::vector<std::uint64_t> items(101);
  std::iota(items.begin(), items.end(), 1000);
  WorkServer server(world, world.rank() == 0 ? items : std::vector<std::uint64_t>{});
  std::vector<std::uint64_t> mine;
  while (const auto item = server.next()) mine.push_back(*item);
  server.finish();
  std::vector<std::uint64_t> all = world.all_gather(std::span<const std::uint64_t>(mine));
  std::sort(all.begin(), all.end());
  EXPECT_EQ(all, items);
}

TEST(WorkServer, AnswersWhileRankZeroIsBusy) {
  const Communicator world = Communicator::world();
  WorkServer server(world, {1, 2, 3, 4, 5, 6, 7, 8});
  if (world.rank() == 0) {
    // Busy until everyone else has got work and has been told that there is none left: only the service can
    // do that.
    std::vector<int> done(1);
    for (int r = 1; r < world.size(); ++r) {
      MPI_Recv(done.data(), 1, MPI_INT, r, 5, world.native(), MPI_STATUS_IGNORE);
      EXPECT_EQ(done[0], 1);
    }
    EXPECT_EQ(server.next().has_value(), world.size() == 1);
  } else {
    while (server.next()) {
    }
    const int done = 1;
    MPI_Send(&done, 1, MPI_INT, 0, 5, world.native());
  }
  server.finish();
}

TEST(WorkServer, RecordsWhoGotWhatAndWhen) {
  const Communicator world = Communicator::world();
  WorkServer server(world, {7, 8, 9});
  while (server.next()) {
  }
  const std::vector<WorkRecord> records = server.finish();
  if (world.rank() != 0) {
    EXPECT_TRUE(records.empty());
    return;
  }
  EXPECT_EQ(
      std::count_if(records.begin(), records.end(), [](const WorkRecord& r) { return r.item != kNoWork; }),
      3);
  EXPECT_EQ(
      std::count_if(records.begin(), records.end(), [](const WorkRecord& r) { return r.item == kNoWork; }),
      world.size());
  for (const WorkRecord& record : records) {
    EXPECT_LE(record.asked, record.answered);
    EXPECT_GE(record.waited, 0);
  }
}

}  // namespace
}  // namespace terramill::mpi
