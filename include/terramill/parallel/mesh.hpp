#pragma once

#include <terramill/mpi/communicator.hpp>
#include <terramill/parallel/nccl_options.hpp>
#include <terramill/parallel/process_group.hpp>
#include <terramill/parallel/tensor_group.hpp>

#include <c10/core/Device.h>

namespace terramill::parallel {

/// Micro-batches [begin, end) of a global batch.
struct MicroBatchRange {
  int begin, end;
  int size() const noexcept { return end - begin; }
};

/// What replica d of D computes of M micro-batches: [dM/D, (d+1)M/D). UsageError when D > M, since a replica
/// would have nothing to do.
MicroBatchRange micro_batch_range(int replica, int replicas, int micro_batches);

/// The ranks of a job as a grid of dp replicas by tp tensor-parallel ranks; the latter are neighbours: rank =
/// replica * tp + tp_rank.
class Mesh {
 public:
  /// UsageError when `tp` is not positive or does not divide the ranks, or where NCCL's options are given
  /// for a CPU. Collective.
  Mesh(const mpi::Communicator& world, c10::Device device, int tp = 1, const NcclOptions& nccl = {});

  int dp() const noexcept { return dp_comm_.size(); }
  int tp() const noexcept { return tensor_group_.size(); }
  /// Position along the axes.
  int replica() const noexcept { return dp_comm_.rank(); }
  int tp_rank() const noexcept { return tensor_group_.rank(); }
  c10::Device device() const noexcept { return device_; }

  const mpi::Communicator& world() const noexcept { return world_; }
  /// The ranks that hold the same part of the model.
  const mpi::Communicator& dp_comm() const noexcept { return dp_comm_; }
  const ProcessGroupPtr& dp_group() const noexcept { return dp_group_; }
  /// The ranks that share one replica.
  const mpi::Communicator& tp_comm() const noexcept { return tp_comm_; }
  const TensorGroup& tensor_group() const noexcept { return tensor_group_; }

  /// This replica's share; see `micro_batch_range`.
  MicroBatchRange micro_batches(int count) const { return micro_batch_range(replica(), dp(), count); }

 private:
  mpi::Communicator world_;
  c10::Device device_;
  mpi::Communicator dp_comm_, tp_comm_;
  ProcessGroupPtr dp_group_;
  TensorGroup tensor_group_;
};

}  // namespace terramill::parallel
