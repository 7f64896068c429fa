#include <terramill/checkpoint/auto_interval.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace terramill::checkpoint {

namespace {

constexpr std::size_t kRemembered = 4;  // checkpoints
constexpr double kNew = 0.1;            // weight of the newest step in the mean

void remember(std::deque<double>& values, double value) {
  values.push_back(value);
  if (values.size() > kRemembered) values.pop_front();
}

double mean(const std::deque<double>& values) {
  if (values.empty()) return 0;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

double young_interval(double cost, double mtbf) { return std::sqrt(2 * cost * mtbf); }

double young_share(double cost, double mtbf) { return std::sqrt(2 * cost / mtbf); }

void AutoInterval::step_took(double seconds, bool writing) {
  if (writing) {
    busy_ += seconds;
    ++busy_steps_;
  } else {
    quiet_ = quiet_ == 0 ? seconds : (1 - kNew) * quiet_ + kNew * seconds;
  }
}

void AutoInterval::stalled(double seconds) { stall_ += seconds; }

void AutoInterval::written(double seconds) {
  const double slowed = quiet_ == 0 ? 0 : busy_ - busy_steps_ * quiet_;
  remember(costs_, std::exchange(stall_, 0) + std::max(0.0, slowed));
  remember(writes_, seconds);
  busy_ = busy_steps_ = 0;
}

double AutoInterval::cost() const { return mean(costs_); }

std::int64_t AutoInterval::steps() const {
  if (costs_.empty() || quiet_ == 0) return kFirst;
  const double seconds = std::max(young_interval(cost(), mtbf_), mean(writes_));
  constexpr double kMost = 1e15;
  return static_cast<std::int64_t>(std::clamp(std::ceil(seconds / quiet_), 1.0, kMost));
}

}  // namespace terramill::checkpoint
