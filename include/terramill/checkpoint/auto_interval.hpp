#pragma once

#include <cstdint>
#include <deque>

namespace terramill::checkpoint {

/// Time between checkpoints, of cost C each, that loses least of a job whose mean time between failures is M:
/// sqrt(2 C M) (Young, "A first order approximation to the optimum checkpoint interval", CACM 17, 1974).
double young_interval(double cost, double mtbf);
/// The share of the time that then goes into checkpoints and, after failures, into steps done again:
/// C / T + T / (2 M) with T = young_interval(C, M), which is sqrt(2 C / M).
double young_share(double cost, double mtbf);

/// Young's interval in steps, from what checkpoints are seen to cost: the time for which training stands
/// still, and what steps take longer while one is being written. All times in seconds.
class AutoInterval {
 public:
  static constexpr std::int64_t kFirst = 10;  ///< steps until the first, which tells the cost

  explicit AutoInterval(double mtbf) : mtbf_(mtbf) {}

  /// After each step; `writing`: while a checkpoint was being written.
  void step_took(double seconds, bool writing);
  /// Training stood still so long to hand a checkpoint over.
  void stalled(double seconds);
  /// The writing of it took so long, and ended.
  void written(double seconds);

  /// Mean of the last checkpoints, and of steps without one; 0 before the first.
  double cost() const;
  double step() const noexcept { return quiet_; }
  /// Steps from one checkpoint to the next: never fewer than a write takes, since one is under way at a time.
  std::int64_t steps() const;

 private:
  double mtbf_;
  double quiet_ = 0;                   ///< mean step without a write, recent steps counting more
  double busy_ = 0, busy_steps_ = 0;   ///< steps beside the present write: seconds and number
  double stall_ = 0;                   ///< of the present checkpoint
  std::deque<double> costs_, writes_;  ///< of the last checkpoints
};

}  // namespace terramill::checkpoint
