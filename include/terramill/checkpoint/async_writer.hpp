#pragma once

#include <terramill/checkpoint/checkpoint.hpp>
#include <terramill/core/thread_pool.hpp>
#include <terramill/mpi/communicator.hpp>

#include <cstdint>
#include <exception>
#include <functional>
#include <future>
#include <optional>
#include <vector>

namespace terramill::checkpoint {

/// Writes checkpoints behind the training: only the copy to host memory holds it up. One write is under way
/// at a time.
class AsyncWriter {
 public:
  enum class Tier : std::uint8_t { kLocal, kShared };
  /// Writes a snapshot to one tier. Called on a thread of every rank, collective over the communicator, which
  /// is this writer's own.
  using Sink = std::function<void(const mpi::Communicator&, const Snapshot&)>;
  struct Outcome {
    Tier tier = Tier::kShared;
    std::int64_t step = 0;
    double seconds = 0;        ///< that the writing took
    std::exception_ptr fault;  ///< what a sink threw: on all ranks or on none
  };

  /// `local` may be empty. Collective.
  AsyncWriter(const mpi::Communicator& world, Sink shared, Sink local = {});
  /// Waits for the write under way.
  ~AsyncWriter();
  AsyncWriter(const AsyncWriter&) = delete;
  AsyncWriter& operator=(const AsyncWriter&) = delete;

  /// Waits for the write under way, copies the tensors, and has them written to the tiers in order; a fault
  /// of one tier leaves the other. Returns once the tensors may change. Collective over the world that the
  /// writer was made with.
  void submit(std::int64_t step, const std::vector<StateTensor>& tensors, const Json& meta,
              std::vector<Tier> tiers);
  /// The same, but returns once all is written, and copies nothing that is on the host.
  void write(std::int64_t step, const std::vector<StateTensor>& tensors, const Json& meta,
             std::vector<Tier> tiers);
  /// Whether a write is under way.
  bool busy() const;
  /// What became of writes that ended since the last call. `wait` waits for the one under way.
  std::vector<Outcome> finished();
  std::vector<Outcome> wait();

 private:
  void start(const Snapshot& snapshot, std::vector<Tier> tiers);

  const mpi::Communicator& world_;
  mpi::Communicator own_;
  Sink shared_, local_;
  std::optional<Snapshot> snapshot_;  ///< of the last submit: the thread's while that is under way
  std::vector<Outcome> outcomes_;
  std::future<std::vector<Outcome>> running_;
  ThreadPool thread_{1};
};

}  // namespace terramill::checkpoint
