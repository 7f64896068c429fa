#include <terramill/core/error.hpp>
#include <terramill/mpi/communicator.hpp>

#include <numeric>

#include <gtest/gtest.h>

namespace terramill::mpi {
namespace {

TEST(Communicator, BroadcastGivesEveryRankTheRootsText) {
  const Communicator world = Communicator::world();
  const int root = world.size() - 1;
  const std::string text = world.rank() == root ? std::string("shard\0one", 9) : "other";
  EXPECT_EQ(world.broadcast(text, root), std::string("shard\0one", 9));
}

TEST(Communicator, ReductionsAgreeWithTheirDefinition) {
  const Communicator world = Communicator::world();
  const auto n = static_cast<std::int64_t>(world.size()), r = static_cast<std::int64_t>(world.rank());
  EXPECT_EQ(world.sum(r + 1), n * (n + 1) / 2);
  EXPECT_EQ(world.min(r - 3), -3);
  EXPECT_EQ(world.max(r), n - 1);
  std::vector<std::int64_t> values{r, 2 * r, 1};
  world.exclusive_scan(std::span(values));
  EXPECT_EQ(values, (std::vector<std::int64_t>{r * (r - 1) / 2, r * (r - 1), r}));
}

TEST(Communicator, GatherKeepsRankOrderAndLengths) {
  const Communicator world = Communicator::world();
  const std::vector<std::uint32_t> mine(static_cast<std::size_t>(world.rank()),
                                        static_cast<std::uint32_t>(world.rank()));
  std::vector<std::uint32_t> expected;
  for (int r = 0; r < world.size(); ++r)
    expected.insert(expected.end(), static_cast<std::size_t>(r), static_cast<std::uint32_t>(r));
  EXPECT_EQ(world.all_gather(std::span<const std::uint32_t>(mine)), expected);

  const auto texts = world.gather(std::string(static_cast<std::size_t>(3 * world.rank()), 'x'));
  if (world.rank() == 0) {
    ASSERT_EQ(texts.size(), static_cast<std::size_t>(world.size()));
    for (std::size_t s = 0; s < texts.size(); ++s) EXPECT_EQ(texts[s].size(), 3 * s);
  } else {
    EXPECT_TRUE(texts.empty());
  }
}

TEST(Communicator, AllToAllDeliversEveryItemInOrderOfSender) {
  struct Item {
    int from, to, number;
  };
  const Communicator world = Communicator::world();
  std::vector<std::vector<Item>> send(static_cast<std::size_t>(world.size()));
  for (int to = 0; to < world.size(); ++to) {
    for (int i = 0; i < world.rank() + to; ++i)
      send[static_cast<std::size_t>(to)].push_back({world.rank(), to, i});
  }
  const std::vector<Item> received = world.all_to_all(send);
  std::size_t next = 0;
  for (int from = 0; from < world.size(); ++from) {
    for (int i = 0; i < from + world.rank(); ++i, ++next) {
      ASSERT_LT(next, received.size());
      EXPECT_EQ(received[next].from, from);
      EXPECT_EQ(received[next].to, world.rank());
      EXPECT_EQ(received[next].number, i);
    }
  }
  EXPECT_EQ(next, received.size());
}

TEST(Communicator, AgreementNamesTheKeyAndTheRanksThatDiffer) {
  const Communicator world = Communicator::world();
  EXPECT_NO_THROW(require_agreement(world, {{"codec", "deflate"}, {"level", "6"}}, "configuration"));
  if (world.size() == 1) return;
  const std::string level = world.rank() == world.size() - 1 ? "9" : "6";
  try {
    require_agreement(world, {{"codec", "deflate"}, {"level", level}}, "configuration");
    FAIL() << "different levels were taken for equal";
  } catch (const AgreementError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("level"), std::string::npos) << text;
    EXPECT_NE(text.find("\"9\""), std::string::npos) << text;
    EXPECT_NE(text.find("rank " + std::to_string(world.size() - 1)), std::string::npos) << text;
    EXPECT_EQ(error.exit_code(), ExitCode::kUsage);
  }
}

TEST(Communicator, OneRanksFailureReachesAll) {
  const Communicator world = Communicator::world();
  const int culprit = world.size() / 2;
  try {
    all_or_none(world, [&] {
      if (world.rank() == culprit) throw FormatError("bad header");
    });
    FAIL() << "the failure was lost";
  } catch (const FormatError& error) {
    EXPECT_EQ(world.rank(), culprit);
  } catch (const Error& error) {
    EXPECT_NE(world.rank(), culprit);
    EXPECT_NE(std::string(error.what()).find("bad header"), std::string::npos);
  }
}

}  // namespace
}  // namespace terramill::mpi
