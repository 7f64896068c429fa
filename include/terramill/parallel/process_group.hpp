#pragma once

#include <terramill/mpi/communicator.hpp>

#include <string>

#include <c10/core/Device.h>
#include <c10/util/intrusive_ptr.h>
#include <torch/csrc/distributed/c10d/ProcessGroup.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

namespace terramill::parallel {

using ProcessGroupPtr = c10::intrusive_ptr<c10d::ProcessGroup>;

/// LibTorch's process group over the ranks of `comm`: CPU tensors go through MpiBackend, and where `device`
/// is a GPU its tensors go through NCCL. `name` is the group's in traces. Collective. LibraryError when NCCL
/// is asked for and this build or this machine cannot.
ProcessGroupPtr make_process_group(const mpi::Communicator& comm, c10::Device device,
                                   const std::string& name = "");

/// The key-value store by which NCCL's ranks find each other: a TCPStore on rank 0 at a free port, its
/// address sent over MPI. Collective. LibraryError, on every rank, when one cannot reach it.
c10::intrusive_ptr<c10d::Store> make_store(const mpi::Communicator& comm);

}  // namespace terramill::parallel
