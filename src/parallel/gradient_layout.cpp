#include "gradient_layout.hpp"

#include <terramill/core/error.hpp>

#include <algorithm>
#include <numeric>
#include <set>
#include <string>

namespace terramill::parallel {

namespace {

void check(const NamedTensor& parameter, c10::Device device, at::ScalarType type) {
  const auto& [name, tensor] = parameter;
  const auto refuse = [&](const std::string& why) { throw UsageError(why, {"lay out gradients", name, ""}); };
  if (!tensor.defined() || !tensor.requires_grad() || !tensor.is_leaf())
    refuse("this is no parameter that takes gradients");
  if (tensor.device() != device)
    refuse("the parameter is on " + tensor.device().str() + ", not on " + device.str());
  if ((tensor.scalar_type() == at::kDouble) != (type == at::kDouble))
    refuse("a group mixes fp64 with other types");
}

std::int64_t rounded_up(std::int64_t count, std::int64_t unit) { return (count + unit - 1) / unit * unit; }

}  // namespace

GradientLayout::GradientLayout(const std::vector<ParameterGroup>& groups, c10::Device device, int dp,
                               std::int64_t bucket_bytes) {
  std::set<const void*> seen;
  std::set<std::string> names;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const auto& parameters = groups[g].parameters;
    if (parameters.empty()) {
      types.push_back(at::kFloat);
      sizes.push_back(0);
      continue;
    }
    const at::ScalarType type =
        parameters.front().second.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
    const std::int64_t unit = kBlock * dp;
    const std::int64_t width =
        std::max<std::int64_t>(bucket_bytes / static_cast<std::int64_t>(c10::elementSize(type)) / unit, 1) *
        unit;
    const std::size_t first = buckets.size();
    std::int64_t size = 0;
    for (const NamedTensor& parameter : parameters) {
      check(parameter, device, type);
      if (!seen.insert(parameter.second.unsafeGetTensorImpl()).second ||
          !names.insert(parameter.first).second) {
        throw UsageError("a parameter appears twice", {"lay out gradients", parameter.first, ""});
      }
      const std::int64_t count = parameter.second.numel();
      size = rounded_up(size, kBlock);
      // An empty parameter counts with the bucket where it would lie.
      const std::int64_t last = std::max(size, size + count - 1);
      slots.push_back({g, size, count, first + static_cast<std::size_t>(size / width),
                       first + static_cast<std::size_t>(last / width)});
      size += count;
      while (buckets.size() <= slots.back().last_bucket) {
        const auto number = static_cast<std::int64_t>(buckets.size() - first);
        buckets.push_back({g, number * width, (number + 1) * width, 0});
      }
      for (std::size_t b = slots.back().first_bucket; b <= slots.back().last_bucket; ++b)
        ++buckets[b].parameters;
    }
    const std::int64_t padded = rounded_up(std::max<std::int64_t>(size, 1), unit);
    buckets.back().end = std::max(padded, buckets.back().begin);
    types.push_back(type);
    sizes.push_back(padded);
  }
  if (slots.empty()) throw UsageError("there is no parameter", {"lay out gradients", "", ""});
  backward_order.resize(buckets.size());
  std::iota(backward_order.rbegin(), backward_order.rend(), std::size_t{0});
  const auto place = [&](std::size_t b) {
    return static_cast<double>(buckets[b].begin) / static_cast<double>(sizes[buckets[b].group]);
  };
  std::stable_sort(backward_order.begin(), backward_order.end(),
                   [&](std::size_t a, std::size_t b) { return place(a) > place(b); });
}

std::vector<OwnedRange> GradientLayout::shares(int replica, int dp) const {
  std::vector<OwnedRange> ranges;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const Slot& slot = slots[i];
    for (std::size_t b = slot.first_bucket; b <= slot.last_bucket; ++b) {
      const std::int64_t share = (buckets[b].end - buckets[b].begin) / dp;
      const std::int64_t low = buckets[b].begin + share * replica;
      const std::int64_t begin = std::max(low, slot.begin) - slot.begin;
      const std::int64_t end = std::min(low + share, slot.begin + slot.count) - slot.begin;
      if (begin < end) ranges.push_back({i, begin, end});
    }
  }
  return ranges;
}

}  // namespace terramill::parallel
