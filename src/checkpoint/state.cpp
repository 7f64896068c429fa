#include <terramill/checkpoint/state.hpp>

#include <algorithm>
#include <utility>

namespace terramill::checkpoint {

namespace {

std::int64_t count_of(const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) count *= extent;
  return count;
}

}  // namespace

void StateTensor::add(const parallel::Placement* placement, std::int64_t begin, const at::Tensor& values) {
  const at::Tensor flat = values.detach().view({-1});
  if (placement == nullptr || !placement->split()) {
    pieces.push_back({-1, {}, begin, flat});
    return;
  }
  const std::int64_t across = count_of(shape) / shape[static_cast<std::size_t>(placement->dim)];
  const std::int64_t end = begin + flat.numel();
  std::int64_t start = 0;  // of the region, among what lies here
  for (const parallel::Range& range : placement->ranges) {
    const std::int64_t count = range.size() * across;
    const std::int64_t low = std::max(begin, start), high = std::min(end, start + count);
    if (low < high) {
      pieces.push_back({placement->dim, range, low - start, flat.narrow(0, low - begin, high - low)});
    }
    start += count;
  }
}

StateTensor whole_state(const NamedTensor& tensor, Holders holders) {
  const at::Tensor& values = tensor.second;
  return {tensor.first,
          values.scalar_type(),
          values.sizes().vec(),
          holders,
          {{-1, {}, 0, values.detach().reshape({-1})}}};
}

StateTensor placed_state(const std::string& name, const at::Tensor& values,
                         const parallel::Placement* placement, Holders holders) {
  const bool split = placement != nullptr && placement->split();
  StateTensor state{name, values.scalar_type(), split ? placement->shape : values.sizes().vec(), holders, {}};
  state.add(placement, 0, values);
  return state;
}

}  // namespace terramill::checkpoint
