#include "least_squares.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace terramill::report {
namespace {

TEST(NonNegativeLeastSquares, FindsTheExactSolutionWhereItIsPositive) {
  const auto x = non_negative_least_squares({{1, 2}, {3, 1}, {1, 0}}, {8, 9, 2}, {1, 1, 1});
  EXPECT_NEAR(x[0], 2, 1e-9);
  EXPECT_NEAR(x[1], 3, 1e-9);
}

TEST(NonNegativeLeastSquares, HoldsAnUnknownAtZeroInsteadOfBelow) {
  // Without the bound x = (2, -1); with it the first column alone: 8 / 6.
  const auto x = non_negative_least_squares({{1, 1}, {1, 0}, {2, 3}}, {1, 2, 1}, {1, 1, 1});
  EXPECT_DOUBLE_EQ(x[1], 0);
  EXPECT_NEAR(x[0], 5.0 / 6, 1e-9);
}

TEST(NonNegativeLeastSquares, WeighsEquations) {
  const auto x = non_negative_least_squares({{1}, {1}}, {1, 4}, {1, 2});
  EXPECT_NEAR(x[0], (1 + 4 * 4) / 5.0, 1e-9);
}

TEST(NonNegativeLeastSquares, ColumnsThatCannotBeToldApartGiveOneOfThem) {
  const auto x = non_negative_least_squares({{1, 2}, {2, 4}}, {4, 8}, {1, 1});
  EXPECT_NEAR(x[0] + 2 * x[1], 4, 1e-9);
  EXPECT_EQ(x[0] * x[1], 0);
  EXPECT_EQ(non_negative_least_squares({{1, 0}}, {3}, {1})[1], 0) << "a column of zeros";
}

}  // namespace
}  // namespace terramill::report
