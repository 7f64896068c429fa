#include <terramill/core/phase.hpp>

#include <chrono>
#include <mutex>

namespace terramill {
namespace {

using Clock = std::chrono::steady_clock;

/// All phases on one clock: between two events nothing changes, so each event adds the time since the last.
class PhaseClock {
 public:
  void change(Phase phase, int by) noexcept {
    const std::lock_guard lock(mutex_);
    advance();
    open(phase) += by;
  }

  PhaseSeconds read() noexcept {
    const std::lock_guard lock(mutex_);
    advance();
    return total_;
  }

 private:
  int& open(Phase phase) noexcept { return open_[static_cast<std::size_t>(phase)]; }

  void advance() noexcept {
    const Clock::time_point now = Clock::now();
    const double passed = std::chrono::duration<double>(now - last_).count();
    last_ = now;
    for (std::size_t p = 0; p < kPhases; ++p) {
      if (open_[p] > 0) total_.seconds[p] += passed;
    }
    if (open(Phase::kCommunication) > 0 && open(Phase::kExposed) == 0) total_.hidden += passed;
  }

  std::mutex mutex_;
  Clock::time_point last_ = Clock::now();
  std::array<int, kPhases> open_{};  // timers that run
  PhaseSeconds total_;
};

/// Never destroyed: a thread that was let go may outlive static objects.
PhaseClock& phase_clock() noexcept {
  static auto* const clock = new PhaseClock;
  return *clock;
}

}  // namespace

PhaseTimer::PhaseTimer(Phase phase) noexcept : phase_(phase) { phase_clock().change(phase_, 1); }
PhaseTimer::~PhaseTimer() { phase_clock().change(phase_, -1); }

PhaseSeconds phase_seconds() noexcept { return phase_clock().read(); }

PhaseSeconds operator-(const PhaseSeconds& later, const PhaseSeconds& earlier) noexcept {
  PhaseSeconds between = later;
  for (std::size_t p = 0; p < kPhases; ++p) between.seconds[p] -= earlier.seconds[p];
  between.hidden -= earlier.hidden;
  return between;
}

}  // namespace terramill
