#include "nccl.hpp"

#include <terramill/core/error.hpp>
#include <terramill/parallel/mpi_backend.hpp>
#include <terramill/parallel/process_group.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <limits>
#include <string>

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

c10::intrusive_ptr<c10d::Store> make_store(const mpi::Communicator& comm) {
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

ProcessGroupPtr make_process_group(const mpi::Communicator& comm, c10::Device device,
                                   const std::string& name) {
  using Group = c10d::ProcessGroup;
  ProcessGroupPtr group;
  c10::intrusive_ptr<c10d::Backend> nccl;
  if (device.is_cuda()) {
    const auto store = make_store(comm);
    mpi::all_or_none(comm, [&] { nccl = make_nccl_backend(store, comm.rank(), comm.size(), device); });
    group = c10::make_intrusive<Group>(store, comm.rank(), comm.size());
  } else {
    group = c10::make_intrusive<Group>(comm.rank(), comm.size());
  }
  group->setBackend(c10::kCPU, Group::BackendType::MPI,
                    c10::intrusive_ptr<c10d::Backend>(
                        c10::make_intrusive<MpiBackend>(comm, std::numeric_limits<int>::max(), name)));
  group->setDefaultBackend(Group::BackendType::MPI);
  if (nccl) {
    group->setBoundDeviceId(device);
    group->setBackend(c10::kCUDA, Group::BackendType::NCCL, nccl);
    group->setDefaultBackend(Group::BackendType::NCCL);
  }
  return group;
}

}  // namespace terramill::parallel
