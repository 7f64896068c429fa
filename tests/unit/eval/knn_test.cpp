#include <terramill/train/knn.hpp>

#include <vector>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::train {
namespace {

TEST(MembershipOf, HasAOnePerLabelAndNoneForALabelBelowZero) {
  const at::Tensor labels = at::tensor(std::vector<std::int64_t>{2, -1, 0}, at::kLong);
  const at::Tensor expected =
      at::tensor(std::vector<double>{0, 0, 1, 0, 0, 0, 1, 0, 0}, at::kDouble).view({3, 3});
  EXPECT_TRUE(at::equal(membership_of(labels, 3), expected));
}

TEST(RankClasses, PutsTheLowerOfEqualClassesFirst) {
  const at::Tensor scores = at::tensor(std::vector<double>{0, 2, 1, 2}, at::kDouble).view({1, 4});
  const at::Tensor expected = at::tensor(std::vector<std::int64_t>{1, 3, 2}, at::kLong).view({1, 3});
  EXPECT_TRUE(at::equal(rank_classes(scores, 3), expected));
  EXPECT_EQ(rank_classes(scores, 9).size(1), 4);
}

}  // namespace
}  // namespace terramill::train
