#include "gradient_layout.hpp"
#include "reduction_tree.hpp"

#include <terramill/parallel/gradient_memory.hpp>

#include <algorithm>

namespace terramill::parallel {

namespace {

/// Buffers that hold a value at once while [begin, end) is folded: the nodes, and the next micro-batch's.
std::size_t most_open(MicroBatchRange range) {
  std::vector<TreeNode> nodes;
  std::size_t most = 0;
  for (int m = range.begin; m < range.end; ++m) {
    most = std::max(most, nodes.size() + 1);
    push(nodes, {0, m});
  }
  return most;
}

}  // namespace

GradientMemory gradient_memory(const GradientBuffer& buffer, const ReductionOptions& options,
                               int micro_batches) {
  const GradientLayout& layout = buffer.layout();
  const int dp = buffer.mesh().dp();
  std::int64_t flat = 0, narrowed = 0;
  for (std::size_t g = 0; g < layout.sizes.size(); ++g) {
    flat += layout.sizes[g] * static_cast<std::int64_t>(c10::elementSize(layout.types[g]));
    const bool narrow = layout.types[g] == at::kFloat && options.wire != at::kFloat;
    narrowed += narrow ? layout.sizes[g] * static_cast<std::int64_t>(c10::elementSize(options.wire)) : 0;
  }
  if (options.reduction == Reduction::kFast) return {flat, dp > 1 ? narrowed : 0};
  GradientMemory memory;
  memory.buffers = flat * static_cast<std::int64_t>(most_open(buffer.mesh().micro_batches(micro_batches)));
  std::size_t nodes = 0;  // of each, every replica receives its slice
  for (int d = 0; dp > 1 && d < dp; ++d) {
    const MicroBatchRange range = micro_batch_range(d, dp, micro_batches);
    nodes += fold(range.begin, range.end).size();
  }
  memory.received = flat / dp * static_cast<std::int64_t>(nodes);
  return memory;
}

}  // namespace terramill::parallel
