#include <terramill/core/philox.hpp>

#include <array>
#include <cmath>
#include <random>
#include <set>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

namespace terramill {
namespace {

static_assert(std::uniform_random_bit_generator<PhiloxStream>);

using Words = std::array<std::uint32_t, 4>;

TEST(Philox, AgreesWithThePublishedVectors) {
  // Random123, tests/kat_vectors, "philox4x32 10".
  EXPECT_EQ(philox4x32_10({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr std::uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(philox4x32_10({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32_10({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, StreamDependsOnItsKeyAlone) {
  PhiloxStream first(7, Purpose::kMask, 3, 4);
  PhiloxStream other(7, Purpose::kMask, 3, 5);
  PhiloxStream second(7, Purpose::kMask, 3, 4);
  for (int i = 0; i < 100; ++i) {
    static_cast<void>(other());
    EXPECT_EQ(first(), second());
  }
}

TEST(Philox, EveryPartOfTheKeyMakesAnotherStream) {
  constexpr std::uint64_t kHigh = std::uint64_t{1} << 32;
  std::set<std::uint64_t> seen;
  std::size_t made = 0;
  for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{1}, kHigh}) {
    for (const auto purpose : {Purpose::kSelection, Purpose::kShuffle, Purpose::kSplit, Purpose::kCrop}) {
      for (const std::uint64_t a : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{2}, kHigh, kHigh + 1}) {
        for (const std::uint64_t b :
             {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{2}, kHigh, 3 * kHigh}) {
          seen.insert(philox_key(seed, purpose, a, b));
          ++made;
        }
      }
    }
  }
  EXPECT_EQ(seen.size(), made);
}

TEST(Philox, NeighbouringItemsShareNoWords) {
  std::set<std::uint64_t> seen;
  for (std::uint64_t a = 0; a < 100; ++a) {
    PhiloxStream stream(1, Purpose::kTest, a);
    for (int i = 0; i < 100; ++i) seen.insert(stream.next_u64());
  }
  EXPECT_EQ(seen.size(), 10000U);
}

TEST(Philox, KeyIsTheFirstTwoWords) {
  PhiloxStream stream(42, Purpose::kShuffle, 11, 13);
  const std::uint64_t low = stream();
  const std::uint64_t high = stream();
  EXPECT_EQ(philox_key(42, Purpose::kShuffle, 11, 13), low | (high << 32));
}

TEST(Philox, StreamIsFrozen) {
  // Plans, splits and weights depend on these numbers: a change of them breaks every stored result.
  PhiloxStream stream(2024, Purpose::kSelection, 5, 9);
  const std::array<std::uint32_t, 6> expected = {0x752cfa8a, 0xf3a03348, 0x1e36c5dc,
                                                 0x5d913be8, 0x41d5dfd7, 0xc19276b5};
  for (const auto word : expected) EXPECT_EQ(stream(), word);
}

TEST(Philox, UniformFillsTheUnitInterval) {
  PhiloxStream stream(3, Purpose::kTest);
  std::array<int, 10> bins{};
  constexpr int kDraws = 100000;
  double sum = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double value = stream.uniform();
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    sum += value;
    ++bins[static_cast<std::size_t>(value * 10)];
  }
  EXPECT_NEAR(sum / kDraws, 0.5, 5 * std::sqrt(1.0 / 12 / kDraws));
  for (const int count : bins) EXPECT_NEAR(count, kDraws / 10, 5 * std::sqrt(kDraws * 0.09));
}

TEST(Philox, BelowReachesEveryValueEquallyAndNoOther) {
  PhiloxStream stream(4, Purpose::kTest);
  std::array<int, 7> bins{};
  constexpr int kDraws = 70000;
  for (int i = 0; i < kDraws; ++i) ++bins.at(stream.below(7));
  for (const int count : bins) EXPECT_NEAR(count, kDraws / 7, 5 * std::sqrt(kDraws * (1.0 / 7) * (6.0 / 7)));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(stream.below(1), 0U);
  constexpr std::uint64_t kLarge = (std::uint64_t{1} << 63) + 1;
  for (int i = 0; i < 100; ++i) EXPECT_LT(stream.below(kLarge), kLarge);
}

TEST(Philox, NormalHasMeanZeroAndVarianceOne) {
  PhiloxStream stream(5, Purpose::kTest);
  constexpr int kDraws = 100000;
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double value = stream.normal();
    ASSERT_TRUE(std::isfinite(value));
    sum += value;
    squares += value * value;
  }
  EXPECT_NEAR(sum / kDraws, 0.0, 5 / std::sqrt(kDraws));
  EXPECT_NEAR(squares / kDraws, 1.0, 5 * std::sqrt(2.0 / kDraws));
}

}  // namespace
}  // namespace terramill
