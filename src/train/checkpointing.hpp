#pragma once

#include "session.hpp"
#include "step_vote.hpp"

#include <terramill/checkpoint/async_writer.hpp>
#include <terramill/checkpoint/auto_interval.hpp>
#include <terramill/checkpoint/local_tier.hpp>
#include <terramill/core/phase.hpp>
#include <terramill/mpi/communicator.hpp>
#include <terramill/train/pretrain_config.hpp>

#include <cstdint>
#include <exception>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace terramill::train {

/// When a run saves its state, and where it goes on from. All but `want` and the accessors is collective.
class Checkpointing {
 public:
  /// `identity` tells the run from others that use the same folder of node-local checkpoints. The other
  /// arguments must outlive this.
  Checkpointing(const PretrainConfig& config, Session& session, const std::string& identity);

  /// Waits for the write under way, then reads the newest checkpoint whose every byte agrees with its hash
  /// into the session; a damaged one is named in a warning and the one before is taken. One of the nodes'
  /// disks that is newer than those of the run folder is first made one of the run folder. False where the
  /// run has none. IntegrityError when all are damaged, IoError when one cannot be read or promoted for a
  /// reason that an older one does not help against (checkpoint::damage_in), UsageError when it is another
  /// run's: the session's state is then undefined.
  bool restore();

  /// After a step that took so long: says whether this rank wants a checkpoint.
  void want(double step_seconds, StepVote& vote);
  /// Whether `after` will save, given what the ranks agreed on.
  static bool saves(const StepVote& vote);
  /// Saves what the ranks agreed on, and warns of writes that failed: the checkpoint before stays, and the
  /// next interval tries again.
  void after(const StepVote& vote);
  /// Waits for the write under way, and warns if it failed.
  void drain();
  /// Waits until the present state is saved. Throws what prevents it.
  void finish();

  /// Seconds that training stood still for checkpoints since the last call.
  double take_stall() noexcept;
  /// Seconds that this rank itself spent on checkpoints that were finished since the last call, without
  /// waiting for others.
  double take_own_work() noexcept;

 private:
  using Outcome = checkpoint::AsyncWriter::Outcome;
  bool restore_from(const std::filesystem::path& path);
  bool restore_from(const checkpoint::LocalTier::Found& found);
  static bool saves_locally(const StepVote& vote);
  /// `behind`: training goes on meanwhile. Returns the last fault of what is known to have ended.
  std::exception_ptr save(std::vector<checkpoint::AsyncWriter::Tier> tiers, bool behind);
  /// Logs what became of writes; returns the last fault.
  std::exception_ptr note(const std::vector<Outcome>& outcomes);
  RunState gathered_state() const;

  const PretrainConfig& config_;
  Session& session_;
  const mpi::Communicator& world_;
  std::optional<checkpoint::LocalTier> local_;
  checkpoint::AutoInterval interval_;
  bool wants_local_ = false, writing_shared_ = false;
  std::int64_t asked_step_ = 0;   ///< of the last checkpoint begun, or resumed from
  std::int64_t saved_step_ = -1;  ///< of the last on the shared file system
  double stall_ = 0, own_work_ = 0;
  PhaseSeconds work_before_ = phase_seconds();
  checkpoint::AsyncWriter writer_;
};

}  // namespace terramill::train
