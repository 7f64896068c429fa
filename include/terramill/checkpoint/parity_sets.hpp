#pragma once

#include <span>
#include <string>
#include <vector>

namespace terramill::checkpoint {

/// Where a rank runs.
struct RankPlace {
  std::string node;           ///< host name
  std::string failure_group;  ///< of the node: what fails together, such as the nodes of one switch
};

/// Which ranks keep a parity together. The nodes are dealt into sets of at most `nodes_per_set` (3 for 2
/// where a node would be alone) whose sizes differ by one at most, those of a failure group into different
/// sets as far as there are sets; the k-th ranks of a set's nodes are a group. Returns the groups, each with
/// ascending ranks of different nodes; a rank without a partner is left out, and all are where
/// `nodes_per_set` is 0 or 1.
std::vector<std::vector<int>> parity_groups(std::span<const RankPlace> ranks, int nodes_per_set);

}  // namespace terramill::checkpoint
