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

/// The device, once c10d knows how its NCCL groups shall be.
c10::Device prepared(c10::Device device, const NcclOptions& options, const mpi::Communicator& world) {
  prepare_nccl(options, world, device);
  return device;
}

}  // namespace

Mesh::Mesh(const mpi::Communicator& world, c10::Device device, int tp, const NcclOptions& nccl)
    : world_(world.duplicate()),
      device_(prepared(device, nccl, world_)),
      dp_comm_(world.split(world.rank() % checked(tp, world.size()), world.rank())),
      tp_comm_(world.split(world.rank() / tp, world.rank())) {
  GroupOptions options{.axis = "dp", .world_rank = world.rank(), .timeout = nccl.timeout};
  // Groups that hang tell all ranks by the store that they share.
  if (device.is_cuda()) options.store = make_store(world_);
  dp_group_ = make_process_group(dp_comm_, device, options);
  if (tp == 1) return;
  options.axis = "tp";
  options.high_priority = true;  // the layers wait for it; gradients have time until the step's end
  tensor_group_ = {make_process_group(tp_comm_, device, options), tp_comm_.rank(), tp_comm_.size()};
}

}  // namespace terramill::parallel
