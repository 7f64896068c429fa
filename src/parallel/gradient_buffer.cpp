#include "bucket_reducer.hpp"
#include "gradient_layout.hpp"
#include "reduction_tree.hpp"
#include "square_sum.hpp"

#include <terramill/core/error.hpp>
#include <terramill/parallel/gradient_buffer.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
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

struct GradientBuffer::State {
  /// Tells the state that a parameter's gradient is complete, for this backward pass.
  struct Arrival final : torch::autograd::PostAccumulateGradHook {
    Arrival(State* owner, std::size_t i) : state(owner), parameter(i) {}
    void operator()(const torch::autograd::Variable& /*tensor*/) override { state->take(parameter); }
    State* state;
    std::size_t parameter;
  };

  State(const Mesh& grid, std::vector<ParameterGroup> all, Reduction how, std::int64_t bucket_bytes)
      : mesh(grid),
        groups(std::move(all)),
        reduction(how),
        layout(groups, mesh.device(), mesh.dp(), bucket_bytes),
        reducer(mesh, layout, reduction),
        used(layout.slots.size(), 0) {
    for (const ParameterGroup& group : groups) {
      parameters.insert(parameters.end(), group.parameters.begin(), group.parameters.end());
    }
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      parameters[i].second.mutable_grad().reset();
      torch::autograd::impl::set_post_acc_grad_hooks(parameters[i].second,
                                                     std::make_unique<Arrival>(this, i));
    }
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
  bool adding() const { return reduction == Reduction::kFast && next > range.begin + 1; }

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
    if (reduction == Reduction::kExact) {
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

  void finish() {
    mean = reducer.finish(used);
    values.push_back(std::exchange(open, {}));
    for (Flats& flats : values) {
      if (!flats.front().is_same(mean.front())) spare.push_back(std::move(flats));
    }
    values.clear();
  }

  const Mesh& mesh;
  std::vector<ParameterGroup> groups;
  Reduction reduction;
  GradientLayout layout;
  BucketReducer reducer;
  std::vector<NamedTensor> parameters;
  std::vector<Flats> spare;

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

GradientBuffer::GradientBuffer(const Mesh& mesh, std::vector<ParameterGroup> groups, Reduction reduction,
                               std::int64_t bucket_bytes)
    : state_(std::make_unique<State>(mesh, std::move(groups), reduction, bucket_bytes)) {}

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
  } else if (s.reduction == Reduction::kExact) {
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
  if (state_->mean.empty())
    throw UsageError("no step is finished", {"read a gradient", parameter(i).first, ""});
  return state_->slot(state_->mean, i);
}

bool GradientBuffer::used(std::size_t i) const { return state_->used.at(i) != 0; }

double GradientBuffer::norm() const {
  double sum = 0;
  for (std::size_t i = 0; i < size(); ++i) {
    if (used(i)) sum += square_sum(gradient(i));
  }
  return std::sqrt(sum);
}

void GradientBuffer::scale(double factor) {
  for (const Tensor& flat : state_->mean) flat.mul_(factor);
}

double GradientBuffer::norm(std::size_t i) const { return std::sqrt(square_sum(gradient(i))); }

void GradientBuffer::scale(std::size_t i, double factor) { gradient(i).mul_(factor); }

void GradientBuffer::leave_out(std::size_t i) { state_->used.at(i) = 0; }

double GradientBuffer::exposed_seconds() const { return state_->reducer.exposed_seconds(); }

}  // namespace terramill::parallel
