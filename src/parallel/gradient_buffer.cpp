#include "bucket_reducer.hpp"
#include "gradient_layout.hpp"
#include "reduction_tree.hpp"
#include "square_sum.hpp"

#include <terramill/core/error.hpp>
#include <terramill/parallel/gradient_buffer.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

namespace terramill::parallel {

using at::Tensor;

Reduction parse_reduction(const std::string& name) {
  if (name == "exact") return Reduction::kExact;
  if (name == "fast") return Reduction::kFast;
  throw UsageError("\"" + name + "\" is no reduction",
                   {"read the configuration", "reduction", "give exact or fast"});
}

std::vector<ParameterGroup> by_sharing(const std::vector<ParameterGroup>& groups,
                                       const Placements& placements) {
  const auto sharing_of = [&](const std::string& name) {
    const Placement* placement = find(placements, name);
    if (placement == nullptr) return Sharing::kWhole;
    return placement->split()            ? Sharing::kSplit
           : placement->partial_gradient ? Sharing::kPartial
                                         : Sharing::kWhole;
  };
  std::vector<ParameterGroup> result;
  for (const ParameterGroup& group : groups) {
    for (const Sharing sharing : {Sharing::kWhole, Sharing::kSplit, Sharing::kPartial}) {
      ParameterGroup part{{}, group.decay, group.lr_scale, sharing};
      std::copy_if(group.parameters.begin(), group.parameters.end(), std::back_inserter(part.parameters),
                   [&](const NamedTensor& parameter) { return sharing_of(parameter.first) == sharing; });
      if (!part.parameters.empty()) result.push_back(std::move(part));
    }
  }
  return result;
}

struct GradientBuffer::State {
  /// Tells the state that a parameter's gradient is complete, for this backward pass.
  struct Arrival final : torch::autograd::PostAccumulateGradHook {
    Arrival(State* owner, std::size_t i) : state(owner), parameter(i) {}
    void operator()(const torch::autograd::Variable& /*tensor*/) override { state->take(parameter); }
    State* state;
    std::size_t parameter;
  };

  State(const Mesh& grid, std::vector<ParameterGroup> all, ReductionOptions how)
      : mesh(grid),
        groups(std::move(all)),
        options(how),
        layout(groups, mesh.device(), mesh.dp(), options.bucket_bytes),
        reducer(mesh, layout, options),
        used(layout.slots.size(), 0) {
    if (options.reduction == Reduction::kExact && options.wire != at::kFloat) {
      throw UsageError(
          "exact sums need the gradients' own type",
          {"lay out gradients", "train.reduction_dtype", "take float32, or train.reduction fast"});
    }
    for (const ParameterGroup& group : groups) {
      parameters.insert(parameters.end(), group.parameters.begin(), group.parameters.end());
    }
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      parameters[i].second.mutable_grad().reset();
      first_block.push_back(blocks);
      blocks += static_cast<std::size_t>((parameters[i].second.numel() + kBlock - 1) / kBlock);
      torch::autograd::impl::set_post_acc_grad_hooks(parameters[i].second,
                                                     std::make_unique<Arrival>(this, i));
    }
    owned = options.sharded ? layout.shares(mesh.replica(), mesh.dp()) : layout.shares(0, 1);
  }

  ~State() {
    for (const NamedTensor& parameter : parameters) {
      torch::autograd::impl::set_post_acc_grad_hooks(parameter.second, nullptr);
    }
  }

  State(const State&) = delete;
  State& operator=(const State&) = delete;

  /// Buffers of any content, but zeros behind the last parameter.
  Flats acquire() {
    Flats flats;
    if (spare.empty()) {
      for (std::size_t g = 0; g < groups.size(); ++g) {
        flats.push_back(at::zeros({layout.sizes[g]}, at::device(mesh.device()).dtype(layout.types[g])));
      }
    } else {
      flats = std::move(spare.back());
      spare.pop_back();
    }
    return flats;
  }

  Tensor slot(const Flats& flats, std::size_t i) const {
    const Slot& slot = layout.slots[i];
    return flats[slot.group].narrow(0, slot.begin, slot.count).view(parameters[i].second.sizes());
  }

  bool last() const { return next == range.end; }
  /// Whether gradients are added to what `open` holds, rather than replace it.
  bool adding() const { return options.reduction == Reduction::kFast && next > range.begin + 1; }

  void take(std::size_t i) {
    const at::NoGradGuard no_grad;
    Tensor& gradient = parameters[i].second.mutable_grad();
    if (!passing || arrived[i] != 0) {
      throw UsageError(
          passing ? "a parameter got a second gradient" : "a backward pass ran outside a micro-batch",
          {"take a gradient", parameters[i].first,
           "run one backward pass between begin_micro_batch and end_micro_batch"});
    }
    const Tensor target = slot(open, i);
    if (adding()) {
      target.add_(gradient);
    } else {
      target.copy_(gradient);
    }
    gradient.reset();
    arrived[i] = used[i] = 1;
    if (last()) reducer.settle(layout.slots[i]);
  }

  /// Tells the reducer what becomes of the last micro-batch's node.
  void prepare_last() {
    std::vector<Flats> merge_into, parts;
    if (options.reduction == Reduction::kExact) {
      const auto merges = static_cast<std::size_t>(push(nodes, {0, next - 1}));
      const std::size_t kept = values.size() - merges;
      for (std::size_t v = values.size(); v > kept; --v) merge_into.push_back(values[v - 1]);
      parts.assign(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(kept));
    }
    parts.push_back(merge_into.empty() ? open : merge_into.back());
    reducer.prepare(open, std::move(merge_into), std::move(parts));
  }

  /// Puts the micro-batch's node, in `open`, on the stack of nodes and merges siblings.
  void fold_open() {
    values.push_back(std::exchange(open, {}));
    for (int merges = push(nodes, {0, next - 1}); merges > 0; --merges) {
      Flats top = std::move(values.back());
      values.pop_back();
      for (std::size_t g = 0; g < top.size(); ++g) values.back()[g].add_(top[g]);
      spare.push_back(std::move(top));
    }
  }

  bool scattered() const { return options.sharded && mesh.dp() > 1; }

  /// Sums over the tensor-parallel ranks what each has a part of: their layouts of such groups agree.
  void sum_partial() {
    const auto start = std::chrono::steady_clock::now();
    for (const BucketRange& bucket : layout.buckets) {
      if (mesh.tp() == 1 || groups[bucket.group].sharing != Sharing::kPartial) continue;
      const std::int64_t share = (bucket.end - bucket.begin) / mesh.dp();
      const Tensor& flat = mean[bucket.group];
      mesh.tensor_group().sum_in_place(scattered()
                                           ? flat.narrow(0, bucket.begin + share * mesh.replica(), share)
                                           : flat.narrow(0, bucket.begin, bucket.end - bucket.begin));
    }
    summing = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  /// Sums of squares by parameter, over both axes.
  const std::vector<double>& squares() {
    if (!squares_of_step.empty()) return squares_of_step;
    Tensor sums = at::zeros({static_cast<std::int64_t>(blocks)}, at::kDouble);
    auto* const out = sums.mutable_data_ptr<double>();
    for (const OwnedRange& range : owned) {
      block_square_sums(flat_of(range), out + first_block[range.parameter] + range.begin / kBlock);
    }
    // Each block is some replica's alone, so this sum is exact.
    if (scattered()) mesh.dp_comm().sum(std::span(out, blocks));
    std::vector<double> own(parameters.size(), 0), split(parameters.size(), 0);
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const std::size_t end = i + 1 < parameters.size() ? first_block[i + 1] : blocks;
      double& sum = (groups[layout.slots[i].group].sharing == Sharing::kSplit ? split : own)[i];
      for (std::size_t b = first_block[i]; b < end; ++b) sum += out[b];
    }
    if (mesh.tp() > 1) mesh.tp_comm().sum(std::span(split));
    for (std::size_t i = 0; i < own.size(); ++i) own[i] += split[i];
    return squares_of_step = std::move(own);
  }

  Tensor flat_of(const OwnedRange& range) const {
    const Slot& slot = layout.slots[range.parameter];
    return mean[slot.group].narrow(0, slot.begin + range.begin, range.end - range.begin);
  }

  void finish() {
    mean = reducer.finish(used);
    sum_partial();
    squares_of_step.clear();
    values.push_back(std::exchange(open, {}));
    for (Flats& flats : values) {
      if (!flats.front().is_same(mean.front())) spare.push_back(std::move(flats));
    }
    values.clear();
  }

  const Mesh& mesh;
  std::vector<ParameterGroup> groups;
  ReductionOptions options;
  GradientLayout layout;
  BucketReducer reducer;
  std::vector<NamedTensor> parameters;
  std::vector<Flats> spare;
  std::vector<OwnedRange> owned;
  std::vector<std::size_t> first_block;  ///< by parameter
  std::size_t blocks = 0;
  std::vector<double> squares_of_step;  ///< empty: not asked for yet
  double summing = 0;                   ///< seconds of sum_partial

  MicroBatchRange range{0, 0};
  int next = 0;                       ///< micro-batches below it have begun
  bool stepping = false;              ///< between begin_step and finish_step
  bool passing = false;               ///< between begin_micro_batch and end_micro_batch
  std::vector<std::uint8_t> arrived;  ///< by parameter, in this micro-batch
  std::vector<std::uint8_t> used;     ///< by parameter, in this step
  Flats open;                         ///< exact: this micro-batch's gradients; fast: the sum so far
  std::vector<TreeNode> nodes;        ///< exact: what the micro-batches before are folded to
  std::vector<Flats> values;          ///< exact: their sums
  Flats mean;                         ///< of the last finished step
};

GradientBuffer::GradientBuffer(const Mesh& mesh, std::vector<ParameterGroup> groups, ReductionOptions options)
    : state_(std::make_unique<State>(mesh, std::move(groups), options)) {}

GradientBuffer::GradientBuffer(const Mesh& mesh, std::vector<ParameterGroup> groups, Reduction reduction,
                               std::int64_t bucket_bytes)
    : GradientBuffer(mesh, std::move(groups), {reduction, false, bucket_bytes, at::kFloat}) {}

GradientBuffer::~GradientBuffer() = default;

void GradientBuffer::begin_step(int micro_batches) {
  State& s = *state_;
  s.range = s.mesh.micro_batches(micro_batches);
  s.reducer.begin(micro_batches);
  s.next = s.range.begin;
  s.stepping = true;
  s.passing = false;
  s.nodes.clear();
  s.values.clear();
  s.open.clear();
  s.used.assign(s.parameters.size(), 0);
  if (!s.mean.empty()) s.spare.push_back(std::exchange(s.mean, {}));
}

void GradientBuffer::begin_micro_batch(int index) {
  State& s = *state_;
  if (!s.stepping || s.passing || s.last() || index != s.next) {
    throw UsageError("micro-batches come once each, in ascending order, within a step",
                     {"begin a micro-batch", "micro-batch " + std::to_string(index), ""});
  }
  for (const NamedTensor& parameter : s.parameters) parameter.second.mutable_grad().reset();
  s.arrived.assign(s.parameters.size(), 0);
  ++s.next;
  s.passing = true;
  if (s.open.empty()) s.open = s.acquire();
  if (s.last()) s.prepare_last();
}

void GradientBuffer::end_micro_batch() {
  State& s = *state_;
  if (!s.passing) throw UsageError("no micro-batch was begun", {"end a micro-batch", "", ""});
  const at::NoGradGuard no_grad;
  for (std::size_t i = s.parameters.size(); i-- > 0;) {
    if (s.arrived[i] != 0) continue;
    if (!s.adding()) s.slot(s.open, i).zero_();
    if (s.last()) s.reducer.settle(s.layout.slots[i]);
  }
  s.passing = false;
  if (s.last()) {
    s.reducer.launch_mask(s.used);
  } else if (s.options.reduction == Reduction::kExact) {
    s.fold_open();
  }
}

void GradientBuffer::finish_step() {
  State& s = *state_;
  if (!s.stepping || s.passing || !s.last()) {
    throw UsageError("micro-batch " + std::to_string(s.next) + " is missing", {"finish a step", "", ""});
  }
  const at::NoGradGuard no_grad;
  s.stepping = false;
  s.finish();
}

const std::vector<ParameterGroup>& GradientBuffer::groups() const { return state_->groups; }

std::size_t GradientBuffer::size() const { return state_->parameters.size(); }

const NamedTensor& GradientBuffer::parameter(std::size_t i) const { return state_->parameters.at(i); }

std::size_t GradientBuffer::group_of(std::size_t i) const { return state_->layout.slots.at(i).group; }

Tensor GradientBuffer::gradient(std::size_t i) const {
  if (state_->mean.empty() || state_->scattered()) {
    throw UsageError(state_->mean.empty() ? "no step is finished" : "replicas own parts of the gradient",
                     {"read a gradient", parameter(i).first, ""});
  }
  return state_->slot(state_->mean, i);
}

const std::vector<OwnedRange>& GradientBuffer::owned() const { return state_->owned; }

Tensor GradientBuffer::gradient(const OwnedRange& range) const {
  if (state_->mean.empty()) {
    throw UsageError("no step is finished", {"read a gradient", parameter(range.parameter).first, ""});
  }
  return state_->flat_of(range);
}

bool GradientBuffer::sharded() const { return state_->options.sharded; }

std::int64_t GradientBuffer::bucket_bytes() const { return state_->options.bucket_bytes; }

const Mesh& GradientBuffer::mesh() const { return state_->mesh; }

const GradientLayout& GradientBuffer::layout() const { return state_->layout; }

bool GradientBuffer::used(std::size_t i) const { return state_->used.at(i) != 0; }

double GradientBuffer::norm() const {
  const std::vector<double>& squares = state_->squares();
  double sum = 0;
  for (std::size_t i = 0; i < size(); ++i) {
    if (used(i)) sum += squares[i];
  }
  return std::sqrt(sum);
}

void GradientBuffer::scale(double factor) {
  for (const Tensor& flat : state_->mean) flat.mul_(factor);
  state_->squares_of_step.clear();
}

double GradientBuffer::norm(std::size_t i) const { return std::sqrt(state_->squares().at(i)); }

void GradientBuffer::scale(std::size_t i, double factor) {
  const Slot& slot = state_->layout.slots.at(i);
  state_->mean[slot.group].narrow(0, slot.begin, slot.count).mul_(factor);
  // Known without asking the other ranks, which scale by the same factor.
  if (!state_->squares_of_step.empty()) state_->squares_of_step[i] *= factor * factor;
}

void GradientBuffer::leave_out(std::size_t i) { state_->used.at(i) = 0; }

double GradientBuffer::exposed_seconds() const { return state_->reducer.exposed_seconds() + state_->summing; }

}  // namespace terramill::parallel
