#include <terramill/checkpoint/checkpoint.hpp>
#include <terramill/checkpoint/tensors.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/phase.hpp>
#include <terramill/core/trace.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace terramill::checkpoint {

namespace {

std::vector<StateTensor> held_by_all(int rank, int ranks, const std::vector<NamedTensor>& tensors) {
  std::vector<StateTensor> state;
  for (const NamedTensor& tensor : tensors)
    state.push_back(whole_state(tensor, {Holders::Set::kAll, rank, ranks}));
  return state;
}

/// A copy on the host, in the memory of `spare` where that fits.
at::Tensor host_copy(const at::Tensor& values, at::Tensor spare) {
  const bool fits =
      spare.defined() && spare.sizes() == values.sizes() && spare.scalar_type() == values.scalar_type();
  if (!fits) {
    spare =
        at::empty(values.sizes(), at::TensorOptions(values.scalar_type()).pinned_memory(values.is_cuda()));
  }
  return spare.copy_(values);
}

}  // namespace

Snapshot::Snapshot(int rank, int ranks, std::int64_t step, const std::vector<NamedTensor>& tensors, Json meta)
    : Snapshot(rank, ranks, step, held_by_all(rank, ranks, tensors), std::move(meta)) {}

Snapshot::Snapshot(int rank, int ranks, std::int64_t step, const std::vector<StateTensor>& tensors, Json meta,
                   std::optional<Snapshot> spare)
    : Snapshot(rank, ranks, step, tensors, std::move(meta),
               [&spare](const at::Tensor& values, std::size_t number) {
                 const bool again = spare && number < spare->parts_.size();
                 return host_copy(values, again ? spare->parts_[number].piece.values : at::Tensor());
               }) {}

Snapshot Snapshot::view_of(int rank, int ranks, std::int64_t step, const std::vector<StateTensor>& tensors,
                           Json meta) {
  return {rank,
          ranks,
          step,
          tensors,
          std::move(meta),
          [](const at::Tensor& values, std::size_t) { return values.cpu().contiguous(); }};
}

Snapshot::Snapshot(int rank, int ranks, std::int64_t step, const std::vector<StateTensor>& tensors, Json meta,
                   const Hold& hold)
    : rank_(rank), ranks_(ranks), step_(step), meta_(std::move(meta)) {
  const PhaseTimer copies(Phase::kCheckpoint);
  const trace::Span span("checkpoint copy", "checkpoint");
  std::set<std::string> names;
  std::map<Holders::Set, std::int64_t> totals, starts;  // bytes
  for (const StateTensor& tensor : tensors) {
    if (!names.insert(tensor.name).second)
      throw UsageError("two tensors have one name", {"take a snapshot", tensor.name, ""});
    globals_.push_back({tensor.name, std::string(name_of(dtype_of(tensor.dtype))), tensor.shape});
    for (const Piece& piece : tensor.pieces) {
      totals[tensor.holders.set] += static_cast<std::int64_t>(piece.values.nbytes());
    }
  }
  for (std::size_t t = 0; t < tensors.size(); ++t) {
    const auto [set, holder, holders] = tensors[t].holders;
    const std::int64_t total = totals[set];
    // A holder takes the elements whose first byte is in its run of bytes; the quotient comes first, against
    // overflow.
    const auto cut = [&](std::int64_t h) { return total / holders * h + total % holders * h / holders; };
    const std::int64_t low = cut(holder), high = cut(holder + 1);
    std::int64_t& start = starts[set];
    int stored = 0;
    for (const Piece& piece : tensors[t].pieces) {
      const auto width = static_cast<std::int64_t>(piece.values.element_size());
      const auto first_from = [&](std::int64_t byte) {
        return std::clamp<std::int64_t>((byte - start + width - 1) / width, 0, piece.values.numel());
      };
      const std::int64_t begin = first_from(low), end = first_from(high);
      if (begin < end) {
        const at::Tensor values = piece.values.narrow(0, begin, end - begin);
        std::string name = tensors[t].name;
        if (stored > 0) name.append("#").append(std::to_string(stored));
        ++stored;
        at::Tensor held = hold(values, parts_.size());
        parts_.push_back({t, {piece.dim, piece.range, piece.begin + begin, std::move(held)}, name});
      }
      start += static_cast<std::int64_t>(piece.values.nbytes());
    }
  }
}

}  // namespace terramill::checkpoint
