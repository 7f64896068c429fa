#pragma once

#include "run_state.hpp"
#include "sample_log.hpp"
#include "state_hash.hpp"

#include <terramill/checkpoint/state.hpp>
#include <terramill/corpus/manifest.hpp>
#include <terramill/fault/guard.hpp>
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
  /// Why the update was not made: weights and state are those before the step. Empty: it was.
  std::string refusal;
  int corrupt_rank = -1;  ///< of a refusal: the rank whose own state had changed by itself
};

/// What takes training steps: model, loader, reduction and optimiser on this job's ranks. It writes no file
/// but the log of samples, where config.fault.sample_log asks for it.
class Session {
 public:
  /// Begins before the first step, with freshly drawn weights. `config` must outlive the session.
  /// Collective. UsageError where the configuration does not fit the corpus or the ranks.
  Session(const mpi::Communicator& world, const PretrainConfig& config);

  /// Step state().step + 1, or its refusal, where the guards of config.fault object to loss or gradient, or
  /// the state is no longer what the step before left. Collective.
  StepResult try_step();
  /// The same; a refusal ends as by end_by.
  StepResult step();
  /// Throws the Error, naming step and losses, of a step that was refused.
  [[noreturn]] void end_by(const StepResult& refused) const;
  /// Passes over step state().step + 1, tried or not: its batch changes nothing. Collective where an epoch
  /// begins, or after restored().
  void skip_step();
  /// Whether the state is what the last step left and the same on every replica; what is wrong, if not.
  /// Collective.
  std::optional<Corruption> corruption();
  /// Whether this rank has replaced bad tiles since check_bad_rate was last called.
  bool replaced_tiles() const noexcept { return state_.replaced.size() > counted_; }
  /// IntegrityError on all ranks where the replicas have together replaced more of the epoch's tiles than
  /// loader.max_bad_rate allows, on whatever ranks and in however many sessions that was. Collective.
  void check_bad_rate();
  /// The state comes from a checkpoint: tiles are fed anew from its step.
  void restored();

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
  loader::MicroBatch next_batch(int micro_batch, bool skipped);
  std::int32_t agree(std::int32_t verdict) const;
  void after_step(const StepResult& done);
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
  std::size_t known_ = 0, counted_ = 0;     ///< of state_.replaced: when the epoch was fed; when last counted
  std::int64_t fed_step_ = -1;              ///< steps before the batch that feed_ gives next
  fault::Guard guard_;
  std::optional<std::uint64_t> sealed_;  ///< hash of the state after the last step, where it is watched
  std::optional<SampleLog> samples_;
};

/// The peak rate of all ranks together, FLOP/s, as config.train.peak says (parallel::peak_of); nothing where
/// that of one is not known. Collective.
std::optional<double> total_peak(const Session& session, const PretrainConfig& config);

}  // namespace terramill::train
