#include <terramill/core/error.hpp>
#include <terramill/sampling/strata.hpp>

#include <array>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

namespace terramill::sampling {
namespace {

using Counts = std::vector<std::uint64_t>;

std::uint64_t sum(const Counts& counts) {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

TEST(Apportion, QuotasSumToTheTotal) {
  const Counts available = {0, 7, 1234, 999999, 3, 1, 17};
  for (const double beta : {0.0, 0.3, 0.5, 1.0}) {
    for (const std::uint64_t total : {1u, 2u, 5u, 10u, 1001u, 1000003u}) {
      const Counts quota = apportion(available, beta, total);
      EXPECT_EQ(sum(quota), total);
      EXPECT_EQ(quota[0], 0u) << "a stratum without tiles";
    }
  }
}

TEST(Apportion, BetaOneIsNaturalAndBetaZeroEqual) {
  const Counts available = {100, 200, 700};
  EXPECT_EQ(apportion(available, 1.0, 1000), (Counts{100, 200, 700}));
  EXPECT_EQ(apportion(available, 0.0, 9), (Counts{3, 3, 3}));
}

TEST(Apportion, SharesFollowTheSquareRootOfFrequency) {
  EXPECT_EQ(apportion(Counts{1, 4, 9, 16}, 0.5, 100), (Counts{10, 20, 30, 40}));
}

TEST(Apportion, EqualRemaindersGoToTheLowestStratum) {
  EXPECT_EQ(apportion(Counts{5, 5, 5}, 1.0, 4), (Counts{2, 1, 1}));
  EXPECT_EQ(apportion(Counts{5, 5, 5}, 1.0, 5), (Counts{2, 2, 1}));
}

TEST(Apportion, RefusesToDivideAmongEmptyStrata) {
  EXPECT_THROW(apportion(Counts{0, 0}, 0.5, 3), UsageError);
  EXPECT_EQ(apportion(Counts{0, 0}, 0.5, 0), (Counts{0, 0}));
}

TEST(DominantClass, TiesGoToTheLowestClass) {
  EXPECT_EQ(dominant_class(std::array<std::uint32_t, 4>{1, 5, 5, 2}), 1);
  EXPECT_EQ(dominant_class(std::array<std::uint32_t, 4>{0, 0, 0, 0}), 0);
  EXPECT_EQ(dominant_class(std::array<std::uint32_t, 4>{0, 0, 0, 9}), 3);
}

TEST(Stratum, CountsRepeatsRoundedUp) {
  EXPECT_EQ((Stratum{.available = 3, .quota = 7}.repeats()), 3u);
  EXPECT_EQ((Stratum{.available = 3, .quota = 6}.repeats()), 2u);
  EXPECT_EQ((Stratum{.available = 0, .quota = 0}.repeats()), 0u);
}

}  // namespace
}  // namespace terramill::sampling
