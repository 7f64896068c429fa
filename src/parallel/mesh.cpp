#include <terramill/core/error.hpp>
#include <terramill/parallel/mesh.hpp>

#include <cstdint>
#include <string>

namespace terramill::parallel {

MicroBatchRange micro_batch_range(int replica, int replicas, int micro_batches) {
  if (replicas > micro_batches) {
    throw UsageError(std::to_string(replicas) + " replicas cannot share " + std::to_string(micro_batches) +
                         " micro-batches: some would have nothing to do",
                     {"divide the global batch", "train.micro_batches",
                      "start at most as many ranks as a global batch has micro-batches, or give it more and "
                      "smaller ones"});
  }
  const auto begin = [&](std::int64_t d) { return static_cast<int>(d * micro_batches / replicas); };
  return {begin(replica), begin(replica + 1)};
}

namespace {

int checked(int tp, int ranks) {
  if (tp < 1 || ranks % tp != 0) {
    throw UsageError(std::to_string(ranks) + " ranks are no whole number of groups of " + std::to_string(tp),
                     {"lay out the ranks", "train.tp",
                      "start a multiple of train.tp ranks, or choose a train.tp that divides their number"});
  }
  return tp;
}

TensorGroup group_over(const mpi::Communicator& comm, c10::Device device) {
  if (comm.size() == 1) return {};
  return {make_process_group(comm, device, "tp"), comm.rank(), comm.size()};
}

}  // namespace

Mesh::Mesh(const mpi::Communicator& world, c10::Device device, int tp)
    : world_(world.duplicate()),
      device_(device),
      dp_comm_(world.split(world.rank() % checked(tp, world.size()), world.rank())),
      tp_comm_(world.split(world.rank() / tp, world.rank())),
      dp_group_(make_process_group(dp_comm_, device, "dp")),
      tensor_group_(group_over(tp_comm_, device)) {}

}  // namespace terramill::parallel
