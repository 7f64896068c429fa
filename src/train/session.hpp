#pragma once

#include "run_state.hpp"

#include <terramill/checkpoint/state.hpp>
#include <terramill/corpus/manifest.hpp>
#include <terramill/loader/loader.hpp>
#include <terramill/mpi/communicator.hpp>
#include <terramill/parallel/adamw.hpp>
#include <terramill/parallel/gradient_buffer.hpp>
#include <terramill/parallel/mesh.hpp>
#include <terramill/train/epoch_feed.hpp>
#include <terramill/train/memory_estimate.hpp>
#include <terramill/train/pretrain_config.hpp>
#include <terramill/train/step_phases.hpp>
#include <terramill/train/task.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace terramill::train {

/// Before the first session of a process: sets LibTorch's threads, and keeps freed memory in the process,
/// since a step's large tensors would otherwise be mapped, and their pages faulted in, anew.
void prepare_process(const PretrainConfig& config);

/// What a step came to. Losses, norm and rates are equal on every rank; the seconds are this rank's.
struct StepResult {
  std::vector<double> losses;  ///< of the task, means over the global batch
  double gradient_norm = 0;
  UpdateRates rates;
  double seconds = 0;
  StepPhases phases;  ///< of them; `checkpoint` is the caller's to fill
  double flops = 0;   ///< of the global batch (Task::flops), forward and backward
};

/// What takes training steps: model, loader, reduction and optimiser on this job's ranks. It writes no file.
class Session {
 public:
  /// Begins before the first step, with freshly drawn weights. `config` must outlive the session.
  /// Collective. UsageError where the configuration does not fit the corpus or the ranks.
  Session(const mpi::Communicator& world, const PretrainConfig& config);

  /// Step state().step + 1. Collective. Error naming step and losses where a loss or the gradient's norm is
  /// not finite: weights and state are then those before the step.
  StepResult step();

  const parallel::Mesh& mesh() const noexcept { return mesh_; }
  const corpus::Manifest& manifest() const noexcept { return manifest_; }
  const BatchShape& shape() const noexcept { return shape_; }
  const EpochFeed& feed() const noexcept { return feed_; }
  const parallel::GradientBuffer& gradients() const noexcept { return gradients_; }
  const parallel::AdamW& optimiser() const noexcept { return optimiser_; }
  Task& task() noexcept { return *task_; }
  const Task& task() const noexcept { return *task_; }
  RunState& state() noexcept { return state_; }
  const RunState& state() const noexcept { return state_; }
  /// In what products are computed.
  at::ScalarType dtype() const noexcept { return dtype_; }
  /// Length of the schedule.
  std::int64_t total_steps() const noexcept { return total_steps_; }
  /// Trained scalars of the model.
  std::int64_t parameters() const;
  /// What this rank needs, the program itself left out.
  MemoryEstimate memory() const;
  /// What of all that a checkpoint keeps is here, by name. Reading into the tensors restores it. Waits for
  /// parameters that are on their way.
  std::vector<checkpoint::StateTensor> state_tensors();
  /// Losses as the task names them.
  Scalars named_losses(const std::vector<double>& losses) const;

 private:
  void start_epoch();
  void note_replacements();
  std::vector<double> gather(const std::vector<double>& mine) const;
  void update(const UpdateRates& rates);

  const PretrainConfig& config_;
  at::ScalarType dtype_;
  parallel::Mesh mesh_;
  corpus::Manifest manifest_;
  std::unique_ptr<Task> task_;
  parallel::Placements placements_;
  loader::Loader loader_;
  BatchShape shape_;
  EpochFeed feed_;
  parallel::GradientBuffer gradients_;
  parallel::AdamW optimiser_;
  RunState state_;
  std::int64_t total_steps_ = 0;
  std::optional<std::uint64_t> fed_epoch_;  ///< the epoch that feed_ is in
};

/// The peak rate of all ranks together, FLOP/s, as config.train.peak says (parallel::peak_of); nothing where
/// that of one is not known. Collective.
std::optional<double> total_peak(const Session& session, const PretrainConfig& config);

}  // namespace terramill::train
