#include <terramill/checkpoint/checkpoint.hpp>
#include <terramill/checkpoint/tensors.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/phase.hpp>
#include <terramill/core/trace.hpp>

#include <algorithm>
#include <set>
#include <utility>

namespace terramill::checkpoint {

Snapshot::Snapshot(int rank, int ranks, std::int64_t step, const std::vector<NamedTensor>& tensors, Json meta)
    : rank_(rank), ranks_(ranks), step_(step), meta_(std::move(meta)) {
  const PhaseTimer copies(Phase::kCheckpoint);
  const trace::Span span("checkpoint copy", "checkpoint");
  std::set<std::string> names;
  std::int64_t total = 0;
  for (const auto& [name, tensor] : tensors) {
    if (!names.insert(name).second)
      throw UsageError("two tensors have one name", {"take a snapshot", name, ""});
    globals_.push_back({name, std::string(name_of(dtype_of(tensor.scalar_type()))), tensor.sizes().vec()});
    total += static_cast<std::int64_t>(tensor.nbytes());
  }
  // A rank takes the elements whose first byte is in its run of bytes; the quotient comes first, against
  // overflow.
  const auto cut = [&](std::int64_t r) { return total / ranks * r + total % ranks * r / ranks; };
  const std::int64_t low = cut(rank), high = cut(rank + 1);
  std::int64_t start = 0;
  for (std::size_t t = 0; t < tensors.size(); ++t) {
    const at::Tensor& tensor = tensors[t].second;
    const auto width = static_cast<std::int64_t>(tensor.element_size());
    const auto first_from = [&](std::int64_t byte) {
      return std::clamp<std::int64_t>((byte - start + width - 1) / width, 0, tensor.numel());
    };
    const std::int64_t begin = first_from(low), end = first_from(high);
    if (begin < end) {
      const at::Tensor values = tensor.detach().reshape({-1}).narrow(0, begin, end - begin);
      parts_.push_back(
          {t, begin, end, values.to(at::kCPU, values.scalar_type(), /*non_blocking=*/false, /*copy=*/true)});
    }
    start += static_cast<std::int64_t>(tensor.nbytes());
  }
}

}  // namespace terramill::checkpoint
