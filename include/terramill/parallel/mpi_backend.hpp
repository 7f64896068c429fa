#pragma once

#include <terramill/mpi/communicator.hpp>

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <torch/csrc/distributed/c10d/Backend.hpp>

namespace terramill::parallel {

/// LibTorch's collectives on dense, contiguous CPU tensors over MPI, which the PyPI wheel lacks.
///
/// Every call queues its collective and returns; one thread per backend, asleep when idle, runs blocking MPI
/// calls in the order of the queue, so ranks must call in the same order. Tensors belong to the backend until
/// the work is done. What goes wrong in a collective is thrown by `Work::wait`, with the collective's name,
/// rank, type and shapes; later works of that backend then fail too, since the ranks' queues no longer agree.
/// What is wrong with an argument is thrown by the call: UsageError.
///
/// Reductions know SUM, AVG (of floating point), PRODUCT, MIN and MAX of uint8, int8 to int64, float and
/// double; of bool, where SUM and MAX are "or", PRODUCT and MIN "and"; and of bfloat16 and half, reduced in
/// float and rounded once. The same layout gives the same bits again.
class MpiBackend final : public c10d::Backend {
 public:
  /// Collective: duplicates `comm`. Messages of more than `max_count` elements are sent in pieces. `name` is
  /// the group's in traces.
  explicit MpiBackend(const mpi::Communicator& comm, std::int64_t max_count = std::numeric_limits<int>::max(),
                      const std::string& name = "");
  /// Ends after the queued works; while an exception unwinds, leaves unfinished ones to the end of the
  /// process, since other ranks may never join them.
  ~MpiBackend() override;

  using WorkPtr = c10::intrusive_ptr<c10d::Work>;
  using Tensors = std::vector<at::Tensor>;

  const std::string getBackendName() const override { return "mpi"; }

  WorkPtr broadcast(Tensors& tensors, const c10d::BroadcastOptions& options = {}) override;
  WorkPtr allreduce(Tensors& tensors, const c10d::AllreduceOptions& options = {}) override;
  WorkPtr reduce(Tensors& tensors, const c10d::ReduceOptions& options = {}) override;
  WorkPtr allgather(std::vector<Tensors>& outputs, Tensors& inputs,
                    const c10d::AllgatherOptions& options = {}) override;
  /// `output` is [size · n] for `input` [n]; `input` may be this rank's part of `output`.
  WorkPtr _allgather_base(at::Tensor& output, at::Tensor& input,
                          const c10d::AllgatherOptions& options = {}) override;
  WorkPtr gather(std::vector<Tensors>& outputs, Tensors& inputs,
                 const c10d::GatherOptions& options = {}) override;
  WorkPtr scatter(Tensors& outputs, std::vector<Tensors>& inputs,
                  const c10d::ScatterOptions& options = {}) override;
  WorkPtr reduce_scatter(Tensors& outputs, std::vector<Tensors>& inputs,
                         const c10d::ReduceScatterOptions& options = {}) override;
  /// `input` is [size · n] for `output` [n]; `output` may be this rank's part of `input`.
  WorkPtr _reduce_scatter_base(at::Tensor& output, at::Tensor& input,
                               const c10d::ReduceScatterOptions& options = {}) override;
  /// Sizes count along the first dimension; empty: equal parts.
  WorkPtr alltoall_base(at::Tensor& output, at::Tensor& input, std::vector<std::int64_t>& output_sizes,
                        std::vector<std::int64_t>& input_sizes,
                        const c10d::AllToAllOptions& options = {}) override;
  WorkPtr barrier(const c10d::BarrierOptions& options = {}) override;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace terramill::parallel
