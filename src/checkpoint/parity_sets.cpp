#include <terramill/checkpoint/parity_sets.hpp>

#include <algorithm>
#include <map>
#include <utility>

namespace terramill::checkpoint {

std::vector<std::vector<int>> parity_groups(std::span<const RankPlace> ranks, int nodes_per_set) {
  if (nodes_per_set < 2) return {};
  // Sorted by failure group, so that dealing in turn parts the nodes of one.
  std::map<std::pair<std::string, std::string>, std::vector<int>> nodes;
  for (std::size_t r = 0; r < ranks.size(); ++r)
    nodes[{ranks[r].failure_group, ranks[r].node}].push_back(static_cast<int>(r));
  const auto per_set = static_cast<std::size_t>(nodes_per_set);
  const std::size_t sets =
      std::max<std::size_t>(1, std::min((nodes.size() + per_set - 1) / per_set, nodes.size() / 2));
  std::map<std::pair<std::size_t, std::size_t>, std::vector<int>> groups;  // by set, and place on the node
  std::size_t dealt = 0;
  for (const auto& [name, own] : nodes) {
    for (std::size_t k = 0; k < own.size(); ++k) groups[{dealt % sets, k}].push_back(own[k]);
    ++dealt;
  }
  std::vector<std::vector<int>> result;
  for (auto& [place, members] : groups) {
    if (members.size() < 2) continue;
    std::ranges::sort(members);
    result.push_back(std::move(members));
  }
  return result;
}

}  // namespace terramill::checkpoint
