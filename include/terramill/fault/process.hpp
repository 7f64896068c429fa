#pragma once

#include <terramill/core/options.hpp>
#include <terramill/fault/injection.hpp>
#include <terramill/fault/watchdog.hpp>
#include <terramill/mpi/communicator.hpp>

#include <filesystem>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

namespace terramill::fault {

/// What every subcommand can be given about faults.
struct ProcessOptions {
  std::string inject;  ///< parse_injections
  double limit = 600;  ///< seconds without progress until the watchdog ends the process; 0: no watchdog
};

/// Whether a subcommand's progress is watched.
enum class Watch { kOff, kOn };

/// Adds `inject`, and `fault.limit` where it is watched.
void add_options(OptionTable& table, ProcessOptions& options, Watch watch);

/// Environment variable: the folder for marks and reports, in place of the subcommand's own.
inline constexpr const char* kFolderVariable = "TERRAMILL_FAULTS";

/// Injection and watch of one process, from `arm` to the end of the subcommand.
class Process {
 public:
  /// `world` must outlive it.
  explicit Process(const mpi::Communicator& world) : world_(world) {}

  /// Adds the options above, reads all as OptionTable::parse does, and, unless that returns false, arms
  /// OUTPUT.faults, beside what the option `output` names. The table refers to this from then on. Collective.
  bool read(OptionTable& table, const std::vector<std::string>& arguments, std::ostream& out,
            const std::string& name, Watch watch = Watch::kOff);

  /// `name`: of the subcommand. `folder`: where marks of injected faults and reports of hangs go; empty:
  /// nowhere. Unit 0 begins. UsageError for a wrong --inject or a negative limit, and where ranks that train
  /// or are watched do not share one world (mpi::require_world). Collective.
  void arm(const ProcessOptions& options, const std::string& name, const std::filesystem::path& folder,
           bool training = false);

 private:
  const mpi::Communicator& world_;
  ProcessOptions options_;
  std::optional<Watchdog> watchdog_;
  std::optional<Injector> injector_;
};

}  // namespace terramill::fault
