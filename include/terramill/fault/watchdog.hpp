#pragma once

#include <terramill/core/activity.hpp>
#include <terramill/mpi/communicator.hpp>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace terramill::fault {

/// Tells a hang from slowness: who has been silent (core/activity.hpp) for longer than a limit.
class HangJudge {
 public:
  using Time = std::chrono::steady_clock::time_point;
  /// `limit` in seconds. `name`: of the process's work as a whole, which any beat of any thread feeds.
  HangJudge(double limit, std::string name, Time now);

  /// What of the watched work, or the process as a whole, has been silent for longer than the limit. Who
  /// looks only after half the limit was itself stopped, with the whole process: then all silence is
  /// forgiven.
  std::vector<Silence> look(Time now);

 private:
  double limit_;
  std::string name_;
  Time last_look_;
};

/// What every thread of this process is doing, for the report of rank `rank`: lines of text.
std::string describe_process(int rank, const std::string& reason);

/// Watches over this process from a thread of its own. When work is silent for longer than the limit, or
/// another rank says that its work is: writes what every thread is doing on standard error and into
/// FOLDER/hung-NNNNN.txt, tells the other ranks, waits up to ten seconds for theirs, names those that did not
/// answer (stopped, dead or cut off), and ends the process with ExitCode::kHung. Nothing that may hang itself
/// is waited for longer.
class Watchdog {
 public:
  /// `limit` in seconds, > 0; `name` of the work; `folder`: empty for none. Collective.
  Watchdog(const mpi::Communicator& world, double limit, std::string name, std::filesystem::path folder);
  /// Ends the watch. Not collective.
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace terramill::fault
