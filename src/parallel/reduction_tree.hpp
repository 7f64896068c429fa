#pragma once

#include <vector>

namespace terramill::parallel {

/// A node of the binary tree over micro-batches that covers [index·2^level, (index+1)·2^level) in full.
struct TreeNode {
  int level, index;
  friend bool operator==(const TreeNode&, const TreeNode&) = default;
};

/// Pushes the next node of an ascending, gapless sequence and merges siblings as long as the top two are.
/// Returns the number of merges: each adds the top into the one below it.
int push(std::vector<TreeNode>& stack, TreeNode node);

/// The nodes to which the replica of micro-batches [begin, end) folds them, in order. At most two of each
/// level.
std::vector<TreeNode> fold(int begin, int end);

/// Sums, in the tree's order, what was folded from all of [0, M) in order: `add(i, j)` adds value j into
/// value i. Value 0 then holds the root. A node whose right part lies beyond M passes its left child on.
template <typename F>
void sum_in_tree_order(const std::vector<TreeNode>& nodes, F add) {
  std::vector<TreeNode> stack;
  std::vector<int> values;  // by position on the stack
  for (int i = 0; i < static_cast<int>(nodes.size()); ++i) {
    values.push_back(i);
    for (int merges = push(stack, nodes[static_cast<std::size_t>(i)]); merges > 0; --merges) {
      add(values[values.size() - 2], values.back());
      values.pop_back();
    }
  }
  for (; values.size() > 1; values.pop_back()) add(values[values.size() - 2], values.back());
}

}  // namespace terramill::parallel
