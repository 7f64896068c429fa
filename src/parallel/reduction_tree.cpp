#include "reduction_tree.hpp"

namespace terramill::parallel {

int push(std::vector<TreeNode>& stack, TreeNode node) {
  int merges = 0;
  while (!stack.empty() && stack.back().level == node.level && node.index % 2 == 1) {
    stack.pop_back();
    node = {node.level + 1, node.index / 2};
    ++merges;
  }
  stack.push_back(node);
  return merges;
}

std::vector<TreeNode> fold(int begin, int end) {
  std::vector<TreeNode> stack;
  for (int m = begin; m < end; ++m) push(stack, {0, m});
  return stack;
}

}  // namespace terramill::parallel
