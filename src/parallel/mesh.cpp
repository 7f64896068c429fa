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

int checked(int tp) {
  if (tp != 1) {
    throw UsageError("tensor parallelism over " + std::to_string(tp) + " ranks is not offered",
                     {"lay out the ranks", "", "run with one tensor-parallel rank"});
  }
  return tp;
}

}  // namespace

Mesh::Mesh(const mpi::Communicator& world, c10::Device device, int tp)
    : world_(world.duplicate()),
      tp_(checked(tp)),
      tp_rank_(world.rank() % tp),
      device_(device),
      dp_comm_(world.split(tp_rank_, world.rank())),
      dp_group_(make_process_group(dp_comm_, device, "dp")) {}

}  // namespace terramill::parallel
