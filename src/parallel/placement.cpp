#include <terramill/parallel/placement.hpp>

#include <ATen/ops/cat.h>

namespace terramill::parallel {

at::Tensor Placement::part_of(const at::Tensor& whole) const {
  if (!split()) return whole.contiguous();
  std::vector<at::Tensor> parts;
  for (const Range& range : ranges) parts.push_back(whole.narrow(dim, range.begin, range.size()));
  return parts.size() == 1 ? parts.front().contiguous() : at::cat(parts, dim);
}

const Placement* find(const Placements& placements, const std::string& name) {
  const auto found = placements.find(name);
  return found == placements.end() ? nullptr : &found->second;
}

}  // namespace terramill::parallel
