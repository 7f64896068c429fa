#pragma once

#include <terramill/mpi/communicator.hpp>

#include <chrono>
#include <string>

#include <c10/core/Device.h>
#include <c10/util/intrusive_ptr.h>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

namespace terramill::parallel {

using ProcessGroupPtr = c10::intrusive_ptr<c10d::ProcessGroup>;
using StorePtr = c10::intrusive_ptr<c10d::Store>;

/// What a process group is for. Of groups over CPUs only `axis` counts.
struct GroupOptions {
  /// "dp": in traces, and in the logs and records of NCCL's groups.
  std::string axis{};
  /// This process's rank in the job, by which records of several groups are put together; -1: in the group.
  int world_rank = -1;
  /// By which all groups of a job find their ranks and tell each other that one hangs; null: one of its own.
  StorePtr store{};
  /// Whether the group's kernels go before others on the GPU: of an axis that computation waits for.
  bool high_priority = false;
  /// See NcclOptions::timeout.
  std::chrono::seconds timeout{0};
};

/// LibTorch's process group over the ranks of `comm`: CPU tensors go through MpiBackend, and where `device`
/// is a GPU its tensors go through NCCL. Collective. UsageError where ranks share a GPU, LibraryError when
/// NCCL is asked for and this build or this machine cannot.
ProcessGroupPtr make_process_group(const mpi::Communicator& comm, c10::Device device,
                                   const GroupOptions& options = {});

/// The key-value store by which NCCL's ranks find each other: a TCPStore on rank 0 at a free port, its
/// address sent over MPI. Collective. LibraryError, on every rank, when one cannot reach it.
StorePtr make_store(const mpi::Communicator& comm);

}  // namespace terramill::parallel
