#include "sampling/weights.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace terramill::sampling {
namespace {

using Tile = std::array<std::uint32_t, corpus::kLandCoverClasses>;

TEST(Weights, TheIntegerLogarithmIsThatOfTheLibrary) {
  const std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  for (const std::uint64_t n : {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{3}, std::uint64_t{4095},
                                std::uint64_t{285156}, (std::uint64_t{1} << 53) - 1, most}) {
    const double own = std::ldexp(static_cast<double>(log2_fixed(n)), -56);
    EXPECT_NEAR(own, std::log2(static_cast<double>(n)), 2e-14) << n;
  }
  EXPECT_EQ(log2_fixed(1), 0u);
  EXPECT_EQ(log2_fixed(1u << 20), std::uint64_t{20} << 56);
}

TEST(Weights, KeysAreOrderedAsTheLogarithmsOverTheWeights) {
  for (const double weight : {0.05, 1.0, 3e9}) {
    std::uint64_t before = std::numeric_limits<std::uint64_t>::max();
    for (const std::uint64_t x : {std::uint64_t{0}, std::uint64_t{1} << 12, std::uint64_t{1} << 40,
                                  std::uint64_t{1} << 63, std::numeric_limits<std::uint64_t>::max()}) {
      const std::uint64_t key = weighted_key(x, weight);
      EXPECT_LT(key, before) << "more likely numbers have smaller keys";
      before = key;
      const double u = (2 * static_cast<double>(x >> 12) + 1) / std::ldexp(1, 53);
      const double value = std::bit_cast<double>(key);
      if (u < 0.999) {
        EXPECT_NEAR(value, -std::log2(u) / weight, 1e-12 * value);
      }
      EXPECT_GT(value, 0);
    }
  }
}

TEST(Weights, CompositionFactorsAreThePowersOfTheShares) {
  ClassPixels pixels{};
  pixels[1] = 900;
  pixels[4] = 99;
  pixels[7] = 1;
  const ClassPixels half = composition_factors(pixels, 0.5);
  EXPECT_EQ(half[7], std::uint64_t{1} << 32) << "the rarest class has the largest factor";
  EXPECT_NEAR(static_cast<double>(half[1]) / static_cast<double>(half[7]), 1 / 30.0, 1e-8);
  EXPECT_NEAR(static_cast<double>(half[4]) / static_cast<double>(half[7]), std::sqrt(1 / 99.0), 1e-8);
  EXPECT_EQ(half[0], 0u) << "a class that no tile has";
  const ClassPixels natural = composition_factors(pixels, 1);
  EXPECT_EQ(natural[1], natural[7]) << "an exponent of 1 weighs all alike";
  Tile mixed{};
  mixed[1] = 3;
  mixed[7] = 1;
  EXPECT_NEAR(composition_weight(mixed, half),
              0.75 * static_cast<double>(half[1]) + 0.25 * static_cast<double>(half[7]), 1);
}

TEST(Weights, DiversityGrowsWithTheEntropy) {
  Tile one{}, two{}, all{};
  one[3] = 4096;
  two[3] = two[5] = 2048;
  std::fill(all.begin(), all.end(), 100);
  EXPECT_DOUBLE_EQ(diversity_weight(one), 0.05);
  EXPECT_DOUBLE_EQ(diversity_weight(Tile{}), 0.05);
  EXPECT_NEAR(diversity_weight(two), 0.05 + std::log(2) / std::log(12), 1e-12);
  EXPECT_NEAR(diversity_weight(all), 1.05, 1e-12);
}

}  // namespace
}  // namespace terramill::sampling
