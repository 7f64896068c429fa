#pragma once

#include <terramill/core/error.hpp>

#include <cstdint>
#include <optional>
#include <set>
#include <string>

namespace terramill::fault {

/// Training had to skip more batches than fault.max_skips. Exit code 87.
class UnstableError : public Error {
 public:
  using Error::Error;
  ExitCode exit_code() const noexcept override { return ExitCode::kUnstable; }
};

/// The state was corrupted, and again in the replay. Exit code 88.
class CorruptionError : public Error {
 public:
  using Error::Error;
  ExitCode exit_code() const noexcept override { return ExitCode::kCorrupt; }
};

/// Steps of "12,40". UsageError for what is no list of steps >= 1.
std::set<std::int64_t> parse_steps(const std::string& text);

/// Decides what follows a step that must not count: the first time the run rolls back and replays; when the
/// replay, from the same state, comes to the same step and it must not count again, the batch is to blame and
/// is skipped. The same on every rank.
class Incidents {
 public:
  enum class Next { kReplay, kSkip };

  /// `skips`: steps that are skipped in any case. `max_skips`: of others, in the whole run.
  Incidents(std::set<std::int64_t> skips, int max_skips) : wanted_(std::move(skips)), max_skips_(max_skips) {}

  /// Whether this step is to be skipped without looking.
  bool skips(std::int64_t step) const { return wanted_.contains(step) || found_.contains(step); }
  /// Step `step` must not count, since `reason`. UnstableError when that makes too many.
  Next unstable(std::int64_t step, const std::string& reason);
  /// Step `step` counts: what went wrong there before, its batch was not to blame.
  void accept(std::int64_t step) { suspects_.erase(step); }
  /// The state was found corrupt after `step` steps; `who` names the hosts. Roll back; CorruptionError where
  /// this is such a replay.
  void corrupt(std::int64_t step, const std::string& who);

  /// Adds the steps that a checkpoint's run had skipped: all count but those that are skipped in any case.
  void restore(const std::set<std::int64_t>& skipped);

 private:
  std::set<std::int64_t> wanted_, found_, suspects_;
  int max_skips_;
  std::optional<std::int64_t> corrupt_step_;
};

}  // namespace terramill::fault
