#include <terramill/checkpoint/checkpoint.hpp>
#include <terramill/core/error.hpp>

#include <algorithm>

#include <gtest/gtest.h>

namespace terramill::checkpoint {
namespace {

using Steps = std::vector<std::int64_t>;

TEST(KeepPolicy, KeepsTheNewest) {
  EXPECT_EQ(superfluous({10, 20, 30, 40}, {.newest = 2}), (Steps{10, 20}));
  EXPECT_EQ(superfluous({10, 20}, {.newest = 2}), Steps{});
  EXPECT_EQ(superfluous({}, {.newest = 1}), Steps{});
}

TEST(KeepPolicy, KeepsTheFirstFromEachMultipleOn) {
  EXPECT_EQ(superfluous({30, 60, 90, 120, 150, 210, 240}, {.newest = 1, .every = 100}),
            (Steps{30, 60, 90, 150}));
}

TEST(KeepPolicy, KeepsTheSameHoweverOftenItIsApplied) {
  const KeepPolicy policy{.newest = 2, .every = 50};
  Steps all, pruned;
  for (std::int64_t step = 7; step < 500; step += 7) {
    all.push_back(step);
    pruned.push_back(step);
    for (const std::int64_t gone : superfluous(pruned, policy)) std::erase(pruned, gone);
  }
  const Steps gone = superfluous(all, policy);
  std::erase_if(all, [&](std::int64_t step) { return std::ranges::find(gone, step) != gone.end(); });
  EXPECT_EQ(pruned, all);
}

TEST(KeepPolicy, ThatKeepsNoneIsRefused) {
  EXPECT_THROW(superfluous({1}, {.newest = 0}), UsageError);
  EXPECT_THROW(superfluous({1}, {.newest = 1, .every = -1}), UsageError);
}

}  // namespace
}  // namespace terramill::checkpoint
