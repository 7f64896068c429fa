#pragma once

#include <array>
#include <cstddef>

namespace terramill {

/// What a process can be busy with besides computing, whatever thread does it.
enum class Phase {
  kDataWait,       ///< the consumer waits for the loader, or plans an epoch
  kExposed,        ///< the training thread waits for a collective
  kCommunication,  ///< a communication thread runs a collective
  kCheckpoint,     ///< this rank copies or writes its share of a checkpoint, without waiting for others
};
inline constexpr std::size_t kPhases = 4;

/// Says that a phase lasts as long as this object. Timers of one phase may overlap and nest: time counts
/// once. Always on; two reads of the clock under a short lock.
class PhaseTimer {
 public:
  explicit PhaseTimer(Phase phase) noexcept;
  ~PhaseTimer();
  PhaseTimer(const PhaseTimer&) = delete;
  PhaseTimer& operator=(const PhaseTimer&) = delete;

 private:
  Phase phase_;
};

/// Seconds since the process started in which a phase lasted.
struct PhaseSeconds {
  std::array<double, kPhases> seconds{};
  double hidden = 0;  ///< kCommunication lasted and kExposed did not

  double operator[](Phase phase) const noexcept { return seconds[static_cast<std::size_t>(phase)]; }
};

/// Up to now, running timers included.
PhaseSeconds phase_seconds() noexcept;

/// What lies between two readings.
PhaseSeconds operator-(const PhaseSeconds& later, const PhaseSeconds& earlier) noexcept;

}  // namespace terramill
