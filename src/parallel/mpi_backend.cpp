#include "mpi_collectives.hpp"
#include "work_queue.hpp"

#include <terramill/core/error.hpp>
#include <terramill/parallel/mpi_backend.hpp>

#include <algorithm>
#include <exception>
#include <utility>

#include <ATen/ops/cat.h>

namespace terramill::parallel {

namespace {

using at::Tensor;
using RedOp = c10d::ReduceOp::RedOpType;

std::string describe(const Tensor& tensor) {
  std::string text = std::string(c10::toString(tensor.scalar_type())) + " [";
  for (std::int64_t i = 0; i < tensor.dim(); ++i)
    text += (i > 0 ? ", " : "") + std::to_string(tensor.size(i));
  return text + "]";
}

const Tensor& dense(const char* name, const Tensor& tensor) {
  if (!tensor.defined() || !tensor.device().is_cpu() || tensor.layout() != at::kStrided ||
      !tensor.is_contiguous()) {
    throw UsageError("only dense, contiguous CPU tensors can be given to MPI",
                     {name, tensor.defined() ? describe(tensor) : "an undefined tensor", ""});
  }
  return tensor;
}

const Tensor& only(const char* name, const std::vector<Tensor>& tensors) {
  if (tensors.size() != 1) throw UsageError("one tensor per rank and call is expected", {name, "", ""});
  return dense(name, tensors.front());
}

const std::vector<Tensor>& only_list(const char* name, const std::vector<std::vector<Tensor>>& lists,
                                     int size) {
  if (lists.size() != 1 || lists.front().size() != static_cast<std::size_t>(size)) {
    throw UsageError("one list of a tensor per rank is expected", {name, "", ""});
  }
  return lists.front();
}

void require_parts(const char* name, const Tensor& whole, const Tensor& part, int size) {
  if (whole.numel() != part.numel() * size || whole.scalar_type() != part.scalar_type()) {
    throw UsageError("the whole is not as many parts as there are ranks",
                     {name, describe(whole) + " and " + describe(part), ""});
  }
}

void require_like(const char* name, const std::vector<Tensor>& tensors, const Tensor& model) {
  for (const Tensor& tensor : tensors) {
    if (tensor.numel() != model.numel() || tensor.scalar_type() != model.scalar_type()) {
      throw UsageError("the parts differ in size or type",
                       {name, describe(tensor) + " and " + describe(model), ""});
    }
  }
}

/// For moving values whatever they mean; wider elements count as several.
MpiElement bits_of(const Tensor& tensor) {
  switch (tensor.element_size()) {
    case 1:
      return {MPI_UINT8_T, 1};
    case 2:
      return {MPI_UINT16_T, 2};
    case 4:
      return {MPI_UINT32_T, 4};
    default:
      return {MPI_UINT64_T, 8};
  }
}

std::int64_t count_of(const Tensor& tensor) {
  return tensor.numel() * tensor.element_size() / bits_of(tensor).size;
}

std::byte* bytes_of(const Tensor& tensor) { return static_cast<std::byte*>(tensor.data_ptr()); }

/// How MPI reduces a tensor: in place of narrow floats their float copy, and averages as sums divided at the
/// end.
struct Reducer {
  MpiElement element;
  MPI_Op op;
  bool widen, divide;

  Tensor wide(const Tensor& tensor) const { return widen ? tensor.to(at::kFloat) : tensor; }
  /// Completes a reduction that `reduced`, from `wide(target)`, holds.
  void complete(const Tensor& reduced, const Tensor& target, int size) const {
    if (divide) reduced.div_(size);
    if (widen) target.copy_(reduced);
  }
};

MPI_Op operation(const char* name, RedOp op, bool boolean, const Tensor& tensor) {
  switch (op) {
    case RedOp::AVG:
      if (!tensor.is_floating_point()) break;
      return MPI_SUM;
    case RedOp::SUM:
      return boolean ? MPI_MAX : MPI_SUM;
    case RedOp::PRODUCT:
      return boolean ? MPI_MIN : MPI_PROD;
    case RedOp::MIN:
      return MPI_MIN;
    case RedOp::MAX:
      return MPI_MAX;
    default:
      break;
  }
  throw UsageError("this reduction is not offered for this type", {name, describe(tensor), ""});
}

Reducer reducer(const char* name, const c10d::ReduceOp& op, const Tensor& tensor) {
  const at::ScalarType type = tensor.scalar_type();
  const bool narrow = type == at::kBFloat16 || type == at::kHalf;
  const MPI_Op operation = parallel::operation(name, op.op_, type == at::kBool, tensor);
  const MpiElement element = [&]() -> MpiElement {
    switch (type) {
      case at::kFloat:
      case at::kBFloat16:
      case at::kHalf:
        return {MPI_FLOAT, 4};
      case at::kDouble:
        return {MPI_DOUBLE, 8};
      case at::kBool:
      case at::kByte:
        return {MPI_UINT8_T, 1};
      case at::kChar:
        return {MPI_INT8_T, 1};
      case at::kShort:
        return {MPI_INT16_T, 2};
      case at::kInt:
        return {MPI_INT32_T, 4};
      case at::kLong:
        return {MPI_INT64_T, 8};
      default:
        throw UsageError("this type cannot be reduced", {name, describe(tensor), ""});
    }
  }();
  return {element, operation, narrow, op.op_ == RedOp::AVG};
}

int root_of(const char* name, std::int64_t root, int size) {
  if (root < 0 || root >= size)
    throw UsageError("the root is no rank of the group", {name, std::to_string(root), ""});
  return static_cast<int>(root);
}

/// Elements for each rank, from sizes along the first dimension.
std::vector<std::int64_t> rank_counts(const char* name, const Tensor& tensor,
                                      const std::vector<std::int64_t>& sizes, int ranks) {
  const std::int64_t rows = tensor.dim() > 0 ? tensor.size(0) : 1;
  std::vector<std::int64_t> counts = sizes;
  if (counts.empty() && rows % ranks == 0) counts.assign(static_cast<std::size_t>(ranks), rows / ranks);
  std::int64_t total = 0;
  for (const std::int64_t size : counts) total += size;
  const bool negative = std::any_of(counts.begin(), counts.end(), [](std::int64_t size) { return size < 0; });
  if (counts.size() != static_cast<std::size_t>(ranks) || total != rows || negative) {
    throw UsageError("the sizes for each rank do not add up to the tensor", {name, describe(tensor), ""});
  }
  const std::int64_t row = rows > 0 ? count_of(tensor) / rows : 0;
  for (std::int64_t& size : counts) size *= row;
  return counts;
}

void unpack(const Tensor& flat, const std::vector<Tensor>& parts) {
  std::int64_t begin = 0;
  for (const Tensor& part : parts) {
    part.copy_(flat.narrow(0, begin, part.numel()).view(part.sizes()));
    begin += part.numel();
  }
}

Tensor pack(const std::vector<Tensor>& parts) {
  std::vector<Tensor> flat;
  flat.reserve(parts.size());
  for (const Tensor& part : parts) flat.push_back(part.reshape({-1}));
  return at::cat(flat);
}

}  // namespace

struct MpiBackend::State {
  State(const mpi::Communicator& comm, std::int64_t max_count, const std::string& name)
      : collectives(comm, max_count), queue(name) {}

  WorkPtr push(c10d::OpType type, const char* name, const Tensor& shown, Tensors results,
               std::function<void()> job) {
    std::size_t bytes = 0;
    for (const Tensor& result : results) bytes += result.nbytes();
    bytes = std::max(bytes, shown.nbytes());
    return queue.push(type,
                      std::string(name) + " of " + describe(shown) + " among " +
                          std::to_string(collectives.size()) + " ranks",
                      collectives.rank(), std::move(results), std::move(job),
                      static_cast<std::int64_t>(bytes));
  }

  MpiCollectives collectives;
  WorkQueue queue;
};

MpiBackend::MpiBackend(const mpi::Communicator& comm, std::int64_t max_count, const std::string& name)
    : c10d::Backend(comm.rank(), comm.size()), state_(std::make_shared<State>(comm, max_count, name)) {}

MpiBackend::~MpiBackend() {
  if (std::uncaught_exceptions() == 0 || state_->queue.idle()) return;
  state_->queue.abandon();
  // Kept for the thread, which still uses it.
  new std::shared_ptr<State>(std::move(state_));
}

MpiBackend::WorkPtr MpiBackend::broadcast(Tensors& tensors, const c10d::BroadcastOptions& options) {
  constexpr const char* kName = "broadcast";
  const Tensor tensor = only(kName, tensors);
  const int root = root_of(kName, options.rootRank, size_);
  return state_->push(c10d::OpType::BROADCAST, kName, tensor, tensors, [this_ = state_.get(), tensor, root] {
    this_->collectives.broadcast(bytes_of(tensor), count_of(tensor), bits_of(tensor), root);
  });
}

MpiBackend::WorkPtr MpiBackend::allreduce(Tensors& tensors, const c10d::AllreduceOptions& options) {
  constexpr const char* kName = "all-reduce";
  const Tensor tensor = only(kName, tensors);
  const Reducer reduction = reducer(kName, options.reduceOp, tensor);
  return state_->push(
      c10d::OpType::ALLREDUCE, kName, tensor, tensors, [this_ = state_.get(), tensor, reduction] {
        const Tensor wide = reduction.wide(tensor);
        this_->collectives.all_reduce(bytes_of(wide), wide.numel(), reduction.element, reduction.op);
        reduction.complete(wide, tensor, this_->collectives.size());
      });
}

MpiBackend::WorkPtr MpiBackend::reduce(Tensors& tensors, const c10d::ReduceOptions& options) {
  constexpr const char* kName = "reduce";
  const Tensor tensor = only(kName, tensors);
  const Reducer reduction = reducer(kName, options.reduceOp, tensor);
  const int root = root_of(kName, options.rootRank, size_);
  return state_->push(
      c10d::OpType::REDUCE, kName, tensor, tensors, [this_ = state_.get(), tensor, reduction, root] {
        const Tensor wide = reduction.wide(tensor);
        this_->collectives.reduce(bytes_of(wide), wide.numel(), reduction.element, reduction.op, root);
        if (this_->collectives.rank() == root) reduction.complete(wide, tensor, this_->collectives.size());
      });
}

MpiBackend::WorkPtr MpiBackend::allgather(std::vector<Tensors>& outputs, Tensors& inputs,
                                          const c10d::AllgatherOptions& /*options*/) {
  constexpr const char* kName = "all-gather";
  const Tensor input = only(kName, inputs);
  const Tensors parts = only_list(kName, outputs, size_);
  require_like(kName, parts, input);
  return state_->push(c10d::OpType::ALLGATHER, kName, input, parts, [this_ = state_.get(), input, parts] {
    const Tensor flat = at::empty({input.numel() * this_->collectives.size()}, input.options());
    this_->collectives.all_gather(bytes_of(input), bytes_of(flat), count_of(input), bits_of(input));
    unpack(flat, parts);
  });
}

MpiBackend::WorkPtr MpiBackend::_allgather_base(Tensor& output, Tensor& input,
                                                const c10d::AllgatherOptions& /*options*/) {
  constexpr const char* kName = "all-gather";
  require_parts(kName, dense(kName, output), dense(kName, input), size_);
  return state_->push(c10d::OpType::_ALLGATHER_BASE, kName, input, {output},
                      [this_ = state_.get(), input = input, output = output] {
                        this_->collectives.all_gather(bytes_of(input), bytes_of(output), count_of(input),
                                                      bits_of(input));
                      });
}

MpiBackend::WorkPtr MpiBackend::gather(std::vector<Tensors>& outputs, Tensors& inputs,
                                       const c10d::GatherOptions& options) {
  constexpr const char* kName = "gather";
  const Tensor input = only(kName, inputs);
  const int root = root_of(kName, options.rootRank, size_);
  const Tensors parts = rank_ == root ? only_list(kName, outputs, size_) : Tensors();
  require_like(kName, parts, input);
  return state_->push(c10d::OpType::GATHER, kName, input, parts, [this_ = state_.get(), input, parts, root] {
    const std::int64_t total = parts.empty() ? 0 : input.numel() * this_->collectives.size();
    const Tensor flat = at::empty({total}, input.options());
    this_->collectives.gather(bytes_of(input), bytes_of(flat), count_of(input), bits_of(input), root);
    if (!parts.empty()) unpack(flat, parts);
  });
}

MpiBackend::WorkPtr MpiBackend::scatter(Tensors& outputs, std::vector<Tensors>& inputs,
                                        const c10d::ScatterOptions& options) {
  constexpr const char* kName = "scatter";
  const Tensor output = only(kName, outputs);
  const int root = root_of(kName, options.rootRank, size_);
  const Tensors parts = rank_ == root ? only_list(kName, inputs, size_) : Tensors();
  require_like(kName, parts, output);
  return state_->push(
      c10d::OpType::SCATTER, kName, output, outputs, [this_ = state_.get(), output, parts, root] {
        const Tensor flat = parts.empty() ? output : pack(parts);
        this_->collectives.scatter(bytes_of(flat), bytes_of(output), count_of(output), bits_of(output), root);
      });
}

MpiBackend::WorkPtr MpiBackend::reduce_scatter(Tensors& outputs, std::vector<Tensors>& inputs,
                                               const c10d::ReduceScatterOptions& options) {
  constexpr const char* kName = "reduce-scatter";
  const Tensors parts = only_list(kName, inputs, size_);
  require_like(kName, parts, only(kName, outputs));
  Tensor output = outputs.front(), input = pack(parts);
  return _reduce_scatter_base(output, input, options);
}

MpiBackend::WorkPtr MpiBackend::_reduce_scatter_base(Tensor& output, Tensor& input,
                                                     const c10d::ReduceScatterOptions& options) {
  constexpr const char* kName = "reduce-scatter";
  require_parts(kName, dense(kName, input), dense(kName, output), size_);
  const Reducer reduction = reducer(kName, options.reduceOp, input);
  return state_->push(c10d::OpType::_REDUCE_SCATTER_BASE, kName, input, {output},
                      [this_ = state_.get(), input = input, output = output, reduction] {
                        const Tensor wide = reduction.wide(input);
                        const Tensor part =
                            reduction.widen ? at::empty({output.numel()}, wide.options()) : output;
                        this_->collectives.reduce_scatter(bytes_of(wide), bytes_of(part), part.numel(),
                                                          reduction.element, reduction.op);
                        if (reduction.divide) part.div_(this_->collectives.size());
                        if (reduction.widen) output.copy_(part.view(output.sizes()));
                      });
}

MpiBackend::WorkPtr MpiBackend::alltoall_base(Tensor& output, Tensor& input,
                                              std::vector<std::int64_t>& output_sizes,
                                              std::vector<std::int64_t>& input_sizes,
                                              const c10d::AllToAllOptions& /*options*/) {
  constexpr const char* kName = "all-to-all";
  if (dense(kName, output).scalar_type() != dense(kName, input).scalar_type()) {
    throw UsageError("the types differ", {kName, describe(output) + " and " + describe(input), ""});
  }
  return state_->push(c10d::OpType::ALLTOALL_BASE, kName, input, {output},
                      [this_ = state_.get(), input = input, output = output,
                       in = rank_counts(kName, input, input_sizes, size_),
                       out = rank_counts(kName, output, output_sizes, size_)] {
                        this_->collectives.all_to_all(bytes_of(input), in, bytes_of(output), out,
                                                      bits_of(input));
                      });
}

MpiBackend::WorkPtr MpiBackend::barrier(const c10d::BarrierOptions& /*options*/) {
  return state_->push(c10d::OpType::BARRIER, "barrier", at::empty({0}, at::kByte), {},
                      [this_ = state_.get()] { this_->collectives.barrier(); });
}

}  // namespace terramill::parallel
