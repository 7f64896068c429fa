#include <terramill/eval/metrics.hpp>

#include <cmath>
#include <vector>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::eval {
namespace {

at::Tensor table(std::vector<std::vector<double>> rows) {
  std::vector<at::Tensor> tensors;
  for (const auto& row : rows) tensors.push_back(at::tensor(row, at::kDouble));
  return at::stack(tensors);
}

/// Four tiles of three classes: truth 0 0 1 2, predicted 0 1 1 1.
Answers four_tiles() {
  const at::Tensor scores = table({{3, 2, 1}, {1, 3, 2}, {0, 5, 0}, {0, 2, 1}});
  const at::Tensor truth = table({{1, 0, 0}, {1, 0, 0}, {0, 1, 0}, {0, 0, 1}});
  return single_label_answers(scores, truth, 2);
}

TEST(SingleLabelMetrics, EqualThoseComputedByHand) {
  const Answers answers = four_tiles();
  const std::vector<double> values = metrics(answers);
  EXPECT_DOUBLE_EQ(values[0], 0.5);
  EXPECT_DOUBLE_EQ(values[1], 0.75);  // among the first two: all but tile 1, whose classes rank 1, 2, 0
  // F1: class 0 is 2 / (2 + 0 + 1), class 1 is 2 / (2 + 2 + 0), class 2 is 0.
  EXPECT_DOUBLE_EQ(values[2], (2.0 / 3 + 0.5 + 0) / 3);
  EXPECT_DOUBLE_EQ(values[3], 0.5);
  const std::vector<std::vector<std::int64_t>> expected = {{1, 1, 0}, {0, 1, 0}, {0, 1, 0}};
  EXPECT_EQ(confusion(answers), expected);
}

TEST(SingleLabelMetrics, OfASampleCountTilesAsOftenAsItHoldsThem) {
  const std::vector<std::uint32_t> times = {3, 0, 1, 0};
  const std::vector<double> values = metrics(four_tiles(), times);
  EXPECT_DOUBLE_EQ(values[0], 1);
  EXPECT_DOUBLE_EQ(values[2], 1);  // class 2 does not occur
}

TEST(SingleLabelMetrics, TheLowerClassWinsATie) {
  const Answers answers = single_label_answers(table({{1, 1, 1}}), table({{0, 1, 0}}), 1);
  EXPECT_EQ(answers.predicted, std::vector<std::int32_t>{0});
}

TEST(MultiLabelMetrics, EqualThoseComputedByHand) {
  // Class 0: scores 0.9 0.8 0.6 0.2 with truth 1 0 1 0. Class 1: equal scores 0.7 for truth 1 0, then 0.4.
  const at::Tensor scores = table({{0.9, 0.7}, {0.8, 0.7}, {0.6, 0.4}, {0.2, 0.1}});
  const at::Tensor truth = table({{1, 1}, {0, 0}, {1, 1}, {0, 0}});
  const Answers answers = multi_label_answers(scores, truth, 0.5);
  const std::vector<double> values = metrics(answers);
  // Class 0: TP 2, FP 1, FN 0: 4 / 5. Class 1: TP 1, FP 1, FN 1: 1 / 2. Sums: TP 3, FP 2, FN 1.
  EXPECT_DOUBLE_EQ(values[0], 6.0 / 9);
  EXPECT_DOUBLE_EQ(values[1], (0.8 + 0.5) / 2);
  // AP 0: 1/2 at precision 1, 1/2 at precision 2/3. AP 1: the tied pair at precision 1/2, then 2/3.
  const double first = 0.5 + 0.5 * 2 / 3, second = 0.5 * 0.5 + 0.5 * 2 / 3;
  EXPECT_DOUBLE_EQ(values[2], (first + second) / 2);
}

TEST(MultiLabelMetrics, AClassThatDoesNotOccurHasNoAveragePrecision) {
  const Answers answers = multi_label_answers(table({{0.9, 0.7}, {0.1, 0.2}}), table({{1, 0}, {0, 0}}), 0.5);
  EXPECT_DOUBLE_EQ(metrics(answers)[2], 1);
  const std::vector<std::uint32_t> only_the_second = {0, 2};
  EXPECT_TRUE(std::isnan(metrics(answers, only_the_second)[2]));
}

TEST(MultiLabelMetrics, ASampleThatHoldsATileTwiceEqualsTheSampleWrittenOut) {
  const at::Tensor scores = table({{0.9}, {0.8}, {0.6}, {0.2}});
  const at::Tensor truth = table({{1}, {0}, {1}, {1}});
  const std::vector<std::uint32_t> times = {2, 1, 0, 1};
  const at::Tensor rows = at::tensor(std::vector<std::int64_t>{0, 0, 1, 3}, at::kLong);
  const Answers written = multi_label_answers(scores.index_select(0, rows), truth.index_select(0, rows), 0.5);
  EXPECT_EQ(metrics(multi_label_answers(scores, truth, 0.5), times), metrics(written));
}

}  // namespace
}  // namespace terramill::eval
