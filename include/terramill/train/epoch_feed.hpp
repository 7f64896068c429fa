#pragma once

#include <terramill/loader/loader.hpp>
#include <terramill/mpi/communicator.hpp>
#include <terramill/parallel/mesh.hpp>
#include <terramill/sampling/plan.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace terramill::train {

/// How an epoch's positions become micro-batches: step s of an epoch is micro-batches [0, M) of B tiles each,
/// micro-batch m holds positions (s M + m) B … + B. What does not fill a global batch is left out.
struct BatchShape {
  int micro_batch_size = 1, micro_batches = 1;
  std::uint64_t global_batch() const noexcept {
    return static_cast<std::uint64_t>(micro_batch_size) * static_cast<std::uint64_t>(micro_batches);
  }
};

/// One replica's training input: plans each epoch and loads its own micro-batches of it, in order.
class EpochFeed {
 public:
  /// `plan_file`: replayed in every epoch; empty: each epoch is planned from `sampling`. Ranks of `comm` are
  /// the replicas. UsageError when the corpus has fewer tiles than one global batch, or the plan file is of
  /// another corpus. Collective.
  EpochFeed(const mpi::Communicator& comm, const std::filesystem::path& corpus, loader::Loader& loader,
            sampling::SamplingOptions sampling, const std::filesystem::path& plan_file, BatchShape shape,
            std::uint64_t seed);

  std::uint64_t steps_per_epoch() const noexcept { return steps_per_epoch_; }
  /// The plan that told the number of steps: epoch 0's, or the file's. Before the first `start` alone.
  const sampling::Plan& first_plan() const { return first_.value(); }

  /// Begins `epoch` at `first_step` < steps_per_epoch. `replaced`: of a checkpoint. Collective.
  void start(std::uint64_t epoch, std::uint64_t first_step, const std::vector<loader::Replacement>& replaced);
  /// The next micro-batch of this replica. Error when the epoch is used up.
  loader::MicroBatch next();

 private:
  sampling::Plan plan(std::uint64_t epoch) const;

  const mpi::Communicator& comm_;
  std::filesystem::path corpus_, plan_file_;
  loader::Loader& loader_;
  sampling::SamplingOptions sampling_;
  BatchShape shape_;
  std::uint64_t seed_, steps_per_epoch_ = 0;
  std::optional<sampling::Plan> first_;  ///< the epoch that told the number of steps, kept for its use
};

}  // namespace terramill::train
