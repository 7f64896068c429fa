#include <terramill/eval/extraction.hpp>

#include <limits>
#include <vector>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::eval {
namespace {

TEST(ZScore, MeasuresKnownRowsAloneAndFillsWhatIsMissing) {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  const at::Tensor columns =
      at::tensor(std::vector<double>{1, 5, kNaN, 3, 5, 2, 9, 6, 4, kNaN, kNaN, kNaN}, at::kDouble)
          .view({4, 3});
  const at::Tensor scores = z_score(columns, {0, 1});
  // Column 0: mean 2, deviation 1. Column 1 is constant. Column 2: one known value, deviation 0.
  const std::vector<double> expected = {-1, 0, 0, 1, 0, 0, 7, 1, 2, 0, 0, 0};
  EXPECT_TRUE(at::equal(scores, at::tensor(expected, at::kDouble).view({4, 3})));
}

}  // namespace
}  // namespace terramill::eval
