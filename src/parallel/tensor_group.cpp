#include <terramill/core/error.hpp>
#include <terramill/parallel/tensor_group.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/torch.h>

namespace terramill::parallel {

struct TensorGroup::State : torch::CustomClassHolder {
  State(c10::intrusive_ptr<c10d::ProcessGroup> g, int r, int n) : group(std::move(g)), rank(r), size(n) {}
  static State& of(const c10::intrusive_ptr<torch::CustomClassHolder>& state) {
    return static_cast<State&>(*state);
  }
  /// Runs a collective of `bytes` and waits for it.
  template <typename Launch>
  void complete(std::size_t bytes, Launch launch) {
    const auto start = std::chrono::steady_clock::now();
    launch(*group)->wait();
    traffic.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    traffic.bytes += static_cast<std::int64_t>(bytes);
    ++traffic.calls;
  }
  c10::intrusive_ptr<c10d::ProcessGroup> group;
  int rank, size;
  Traffic traffic;
};

namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

constexpr const char* kGroup = "group";

Tensor summed(const Tensor& values, const TensorGroup& group) {
  const Tensor sum = values.clone(at::MemoryFormat::Contiguous);
  group.sum_in_place(sum);
  return sum;
}

struct Enter : Function<Enter> {
  static Tensor forward(AutogradContext* context, const Tensor& values, const TensorGroup& group) {
    context->saved_data[kGroup] = group.save();
    return values.view_as(values);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    return {summed(gradients[0], TensorGroup::from(context->saved_data[kGroup])), {}};
  }
};

struct Leave : Function<Leave> {
  static Tensor forward(AutogradContext* /*context*/, const Tensor& part, const TensorGroup& group) {
    return summed(part, group);
  }
  static variable_list backward(AutogradContext* /*context*/, variable_list gradients) {
    return {gradients[0], {}};
  }
};

struct JoinColumns : Function<JoinColumns> {
  static Tensor forward(AutogradContext* context, const Tensor& own, const TensorGroup& group,
                        std::int64_t begin, std::int64_t total) {
    context->saved_data["begin"] = begin;
    context->saved_data["count"] = own.size(1);
    // Shares may differ by one column, so they are placed among zeros and summed: exact.
    const Tensor all = at::zeros({own.size(0), total}, own.options());
    all.narrow(1, begin, own.size(1)).copy_(own);
    group.sum_in_place(all);
    return all;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    return {
        gradients[0].narrow(1, context->saved_data["begin"].toInt(), context->saved_data["count"].toInt()),
        {},
        {},
        {}};
  }
};

/// `count` rows, zeros behind the last that there is.
Tensor padded(const Tensor& rows, std::int64_t count) {
  if (rows.size(0) == count) return rows.contiguous();
  auto shape = rows.sizes().vec();
  shape[0] = count - rows.size(0);
  return at::cat({rows, at::zeros(shape, rows.options())});
}

Tensor own_of(const Tensor& rows, const TensorGroup& group, std::int64_t own) {
  return padded(rows, own * group.size()).narrow(0, own * group.rank(), own).contiguous();
}

Tensor all_of(const Tensor& own, const TensorGroup& group, std::int64_t rows) {
  return group.gather(own.contiguous()).narrow(0, 0, rows);
}

Tensor scattered(const Tensor& part, const TensorGroup& group, std::int64_t own) {
  return group.reduce_scatter(padded(part, own * group.size()));
}

struct SplitRows : Function<SplitRows> {
  static Tensor forward(AutogradContext* context, const Tensor& rows, const TensorGroup& group,
                        std::int64_t own) {
    context->saved_data[kGroup] = group.save();
    context->saved_data["rows"] = rows.size(0);
    return own_of(rows, group, own);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    return {all_of(gradients[0], TensorGroup::from(context->saved_data[kGroup]),
                   context->saved_data["rows"].toInt()),
            {},
            {}};
  }
};

struct GatherRows : Function<GatherRows> {
  static Tensor forward(AutogradContext* context, const Tensor& own, const TensorGroup& group,
                        std::int64_t rows) {
    context->saved_data[kGroup] = group.save();
    context->saved_data["own"] = own.size(0);
    return all_of(own, group, rows);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    return {scattered(gradients[0], TensorGroup::from(context->saved_data[kGroup]),
                      context->saved_data["own"].toInt()),
            {},
            {}};
  }
};

struct ReduceScatterRows : Function<ReduceScatterRows> {
  static Tensor forward(AutogradContext* context, const Tensor& part, const TensorGroup& group,
                        std::int64_t own) {
    context->saved_data[kGroup] = group.save();
    context->saved_data["rows"] = part.size(0);
    return scattered(part, group, own);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    return {all_of(gradients[0], TensorGroup::from(context->saved_data[kGroup]),
                   context->saved_data["rows"].toInt()),
            {},
            {}};
  }
};

}  // namespace

TensorGroup::TensorGroup(const c10::intrusive_ptr<c10d::ProcessGroup>& group, int rank, int size)
    : rank_(rank), size_(size) {
  if (size > 1) state_ = c10::make_intrusive<State>(group, rank, size);
}

TensorGroup::Traffic TensorGroup::traffic() const { return state_ ? State::of(state_).traffic : Traffic(); }

Range TensorGroup::part(std::int64_t count) const noexcept {
  return {count * rank() / size(), count * (rank() + 1) / size()};
}

std::vector<Range> TensorGroup::parts(std::int64_t count, std::int64_t unit, int blocks) const {
  const Range own = part(count);
  std::vector<Range> ranges;
  for (int block = 0; block < blocks; ++block) {
    const std::int64_t start = block * count * unit;
    ranges.push_back({start + own.begin * unit, start + own.end * unit});
  }
  return ranges;
}

void TensorGroup::sum_in_place(Tensor values) const {
  if (size() == 1) return;
  std::vector<Tensor> tensors{std::move(values)};
  State::of(state_).complete(tensors[0].nbytes(),
                             [&](c10d::ProcessGroup& group) { return group.allreduce(tensors); });
}

void TensorGroup::max_in_place(Tensor values) const {
  if (size() == 1) return;
  c10d::AllreduceOptions options;
  options.reduceOp = c10d::ReduceOp::MAX;
  std::vector<Tensor> tensors{std::move(values)};
  State::of(state_).complete(tensors[0].nbytes(),
                             [&](c10d::ProcessGroup& group) { return group.allreduce(tensors, options); });
}

Tensor TensorGroup::gather(const Tensor& rows) const {
  if (size() == 1) return rows;
  auto shape = rows.sizes().vec();
  shape[0] *= size();
  Tensor all = at::empty(shape, rows.options()), own = rows;
  State::of(state_).complete(all.nbytes(),
                             [&](c10d::ProcessGroup& group) { return group._allgather_base(all, own); });
  return all;
}

Tensor TensorGroup::reduce_scatter(const Tensor& rows) const {
  if (size() == 1) return rows;
  auto shape = rows.sizes().vec();
  shape[0] /= size();
  Tensor own = at::empty(shape, rows.options()), all = rows;
  State::of(state_).complete(all.nbytes(),
                             [&](c10d::ProcessGroup& group) { return group._reduce_scatter_base(own, all); });
  return own;
}

c10::IValue TensorGroup::save() const { return c10::IValue::make_capsule(state_); }

TensorGroup TensorGroup::from(const c10::IValue& saved) {
  TensorGroup group;
  group.state_ = saved.toCapsule();
  const auto& state = static_cast<const State&>(*group.state_);
  group.rank_ = state.rank;
  group.size_ = state.size;
  return group;
}

Tensor enter(const Tensor& values, const TensorGroup& group) {
  return group.size() == 1 ? values : Enter::apply(values, group);
}

Tensor leave(const Tensor& part, const TensorGroup& group) {
  return group.size() == 1 ? part : Leave::apply(part, group);
}

Tensor join_columns(const Tensor& own, const Range& range, std::int64_t total, const TensorGroup& group) {
  return group.size() == 1 ? own : JoinColumns::apply(own, group, range.begin, total);
}

RowRegion::RowRegion(TensorGroup group, std::int64_t rows)
    : group_(std::move(group)), rows_(rows), own_((rows + group_.size() - 1) / group_.size()) {}

Tensor RowRegion::split(const Tensor& rows) const {
  return group_.size() == 1 ? rows : SplitRows::apply(rows, group_, own_);
}

Tensor RowRegion::gather(const Tensor& own) const {
  return group_.size() == 1 ? own : GatherRows::apply(own, group_, rows_);
}

Tensor RowRegion::reduce_scatter(const Tensor& part) const {
  return group_.size() == 1 ? part : ReduceScatterRows::apply(part, group_, own_);
}

Tensor RowRegion::pick(const Tensor& own, std::int64_t first, std::int64_t stride) const {
  const std::int64_t picked = (rows_ - first + stride - 1) / stride;
  if (group_.size() == 1) return own.slice(0, first, rows_, stride);
  // Which of the picked rows lie here, and where.
  const std::int64_t begin = own_ * group_.rank(), end = std::min(begin + own_, rows_);
  const std::int64_t low = begin <= first ? 0 : (begin - first + stride - 1) / stride;
  const std::int64_t high = end <= first ? 0 : std::min(picked, (end - first + stride - 1) / stride);
  auto shape = own.sizes().vec();
  shape[0] = picked;
  Tensor placed = at::zeros(shape, own.options());
  if (low < high) {
    auto before = shape, after = shape;
    before[0] = low;
    after[0] = picked - high;
    const Tensor mine = own.slice(0, first + low * stride - begin, end - begin, stride);
    placed = at::cat({at::zeros(before, own.options()), mine, at::zeros(after, own.options())});
  } else {
    // Still a part of the graph: the backward pass is collective.
    placed = placed + own.narrow(0, 0, 1).sum() * 0;
  }
  return leave(placed, group_);
}

}  // namespace terramill::parallel
