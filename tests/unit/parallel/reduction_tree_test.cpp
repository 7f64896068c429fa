#include "parallel/reduction_tree.hpp"

#include <terramill/core/error.hpp>
#include <terramill/parallel/mesh.hpp>

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace terramill::parallel {
namespace {

/// The tree over [0, M) as its definition says, written out with brackets.
std::string defined(int level, int index, int count) {
  const int begin = index << level;
  if (level == 0) return std::to_string(index);
  const int middle = begin + (1 << (level - 1));
  const std::string left = defined(level - 1, 2 * index, count);
  return middle < count ? "(" + left + "+" + defined(level - 1, 2 * index + 1, count) + ")" : left;
}

std::string defined(int count) {
  int level = 0;
  while ((1 << level) < count) ++level;
  return defined(level, 0, count);
}

/// The same by what `replicas` fold and exchange.
std::string folded(int count, int replicas) {
  std::vector<TreeNode> nodes;
  std::vector<std::string> values;
  for (int d = 0; d < replicas; ++d) {
    const MicroBatchRange range = micro_batch_range(d, replicas, count);
    std::vector<TreeNode> stack;
    std::vector<std::string> own;
    for (int m = range.begin; m < range.end; ++m) {
      own.push_back(std::to_string(m));
      for (int merges = push(stack, {0, m}); merges > 0; --merges) {
        const std::string right = own.back();
        own.pop_back();
        own.back() = "(" + own.back() + "+" + right + ")";
      }
    }
    EXPECT_EQ(stack, fold(range.begin, range.end));
    nodes.insert(nodes.end(), stack.begin(), stack.end());
    values.insert(values.end(), own.begin(), own.end());
  }
  sum_in_tree_order(nodes, [&](int i, int j) {
    auto& left = values[static_cast<std::size_t>(i)];
    left = "(" + left + "+" + values[static_cast<std::size_t>(j)] + ")";
  });
  return values.front();
}

TEST(ReductionTree, IsTheDefinedOneForAnyNumberOfReplicas) {
  for (int count = 1; count <= 40; ++count) {
    for (int replicas = 1; replicas <= count; ++replicas) {
      ASSERT_EQ(folded(count, replicas), defined(count))
          << count << " micro-batches, " << replicas << " replicas";
    }
  }
}

TEST(MicroBatchRange, CoversTheGlobalBatchInOrder) {
  for (int count = 1; count <= 20; ++count) {
    for (int replicas = 1; replicas <= count; ++replicas) {
      int next = 0;
      for (int d = 0; d < replicas; ++d) {
        const MicroBatchRange range = micro_batch_range(d, replicas, count);
        EXPECT_EQ(range.begin, next);
        EXPECT_GE(range.size(), 1);
        next = range.end;
      }
      EXPECT_EQ(next, count);
    }
  }
}

TEST(MicroBatchRange, RefusesMoreReplicasThanMicroBatches) {
  EXPECT_THROW(micro_batch_range(0, 5, 4), UsageError);
}

}  // namespace
}  // namespace terramill::parallel
