#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace terramill::fault {

/// Faults that `--inject` brings about (docs/faults.md).
enum class Kind {
  kKill,     ///< SIGKILL
  kStop,     ///< SIGSTOP: the process hangs
  kAbort,    ///< SIGABRT
  kThrow,    ///< an exception
  kNan,      ///< a gradient becomes NaN
  kBitflip,  ///< one bit of a parameter changes after the step
  kEnospc,   ///< the next file that the rank creates cannot be written: disk full
  kEio,      ///< the same: I/O error
  kSlow,     ///< from then on every unit takes twice as long
};

/// A fault of one rank at one unit of its work (core/fault_points.hpp; 0: before the first).
struct Injection {
  Kind kind = Kind::kThrow;
  int rank = 0;
  std::int64_t unit = 0;
  bool always = false;  ///< whenever the unit is reached; else once in a run, restarts included

  /// As `--inject` takes it: "kill@2:40", "nan@0:7*".
  std::string text() const;
};

/// "kind@rank:unit" or "kind@rank:unit*", comma-separated. UsageError naming what is wrong.
std::vector<Injection> parse_injections(const std::string& text);

/// The faults of this process. One at a time; while it lives it is what core/fault_points.hpp calls.
class Injector {
 public:
  /// `all`: of every rank. `marks`: the folder that remembers which faults have struck, so that a restarted
  /// run meets them once; empty: nobody does. Unit 0 begins at once. UsageError for kNan or kBitflip where
  /// not `training`.
  Injector(const std::vector<Injection>& all, std::filesystem::path marks, bool training);
  ~Injector();
  Injector(const Injector&) = delete;
  Injector& operator=(const Injector&) = delete;
};

/// Whether a fault of this kind, which the caller brings about, strikes here at this unit; it counts as
/// struck then. False without an Injector.
bool strikes(Kind kind, std::int64_t unit);

}  // namespace terramill::fault
