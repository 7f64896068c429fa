#include "nccl.hpp"

#include <terramill/core/error.hpp>
#include <terramill/parallel/mpi_backend.hpp>
#include <terramill/parallel/process_group.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <exception>
#include <limits>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

namespace terramill::parallel {

namespace {

constexpr std::chrono::seconds kStoreTimeout{120};

c10::intrusive_ptr<c10d::TCPStore> connect(const std::string& host, std::uint16_t port, bool server) {
  c10d::TCPStoreOptions options;
  options.port = port;
  options.isServer = server;
  options.waitWorkers = false;
  options.timeout = kStoreTimeout;
  try {
    return c10::make_intrusive<c10d::TCPStore>(host, options);
  } catch (const std::exception& error) {
    throw LibraryError(error.what(),
                       {server ? "serve the store" : "reach the store of rank 0",
                        host + ":" + std::to_string(port), "check that the nodes' names resolve"});
  }
}

}  // namespace

StorePtr make_store(const mpi::Communicator& comm) {
  c10::intrusive_ptr<c10d::TCPStore> store;
  // Where all ranks share a node, its name need not resolve.
  const bool one_node = comm.min(comm.split_node().size()) == comm.size();
  mpi::all_or_none(comm, [&] {
    if (comm.rank() == 0) store = connect(one_node ? "localhost" : process_host(), 0, true);
  });
  const std::string host = comm.broadcast(store ? store->getHost() : std::string());
  const std::string port = comm.broadcast(store ? std::to_string(store->getPort()) : std::string());
  mpi::all_or_none(comm, [&] {
    if (comm.rank() != 0) store = connect(host, static_cast<std::uint16_t>(std::stoi(port)), false);
  });
  return store;
}

namespace {

/// NCCL's part of a group over `comm`.
c10::intrusive_ptr<c10d::Backend> make_nccl(const mpi::Communicator& comm, c10::Device device,
                                            const GroupOptions& options, const StorePtr& store) {
  mpi::all_or_none(comm, [&] { require_gpu(device); });
  const std::array<std::uint64_t, 2> own_gpu = gpu_identity(device.index());
  const std::vector<std::uint64_t> gpus = comm.all_gather(std::span<const std::uint64_t>(own_gpu));
  std::set<std::pair<std::uint64_t, std::uint64_t>> distinct;
  for (std::size_t i = 0; i < gpus.size(); i += 2) distinct.emplace(gpus[i], gpus[i + 1]);
  if (distinct.size() < static_cast<std::size_t>(comm.size())) {
    throw UsageError(
        "two ranks share a GPU, which NCCL cannot",
        {"start NCCL", device.str(), "start one rank per GPU: --ntasks-per-node = --gpus-per-node"});
  }
  NcclGroup group{comm.rank(), comm.size(),           options.axis,   options.axis,
                  {},          options.high_priority, options.timeout};
  const int own = options.world_rank < 0 ? comm.rank() : options.world_rank;
  for (const int rank : comm.all_gather(own)) group.world_ranks.push_back(static_cast<std::uint64_t>(rank));
  // Groups of one axis have the description in common, not the name.
  group.name.append("-").append(std::to_string(group.world_ranks.front()));
  c10::intrusive_ptr<c10d::Backend> nccl;
  mpi::all_or_none(comm, [&] {
    nccl = make_nccl_backend(c10::make_intrusive<c10d::PrefixStore>(group.name, store), group, device);
  });
  return nccl;
}

}  // namespace

ProcessGroupPtr make_process_group(const mpi::Communicator& comm, c10::Device device,
                                   const GroupOptions& options) {
  using Group = c10d::ProcessGroup;
  ProcessGroupPtr group;
  c10::intrusive_ptr<c10d::Backend> nccl;
  if (device.is_cuda()) {
    const StorePtr store = options.store ? options.store : make_store(comm);
    nccl = make_nccl(comm, device, options, store);
    group = c10::make_intrusive<Group>(store, comm.rank(), comm.size());
  } else {
    group = c10::make_intrusive<Group>(comm.rank(), comm.size());
  }
  group->setBackend(c10::kCPU, Group::BackendType::MPI,
                    c10::intrusive_ptr<c10d::Backend>(c10::make_intrusive<MpiBackend>(
                        comm, std::numeric_limits<int>::max(), options.axis)));
  group->setDefaultBackend(Group::BackendType::MPI);
  if (nccl) {
    group->setBoundDeviceId(device);
    group->setBackend(c10::kCUDA, Group::BackendType::NCCL, nccl);
    group->setDefaultBackend(Group::BackendType::NCCL);
  }
  return group;
}

}  // namespace terramill::parallel
