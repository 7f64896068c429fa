#include <terramill/train/schedule.hpp>

#include <cmath>
#include <numbers>

namespace terramill::train {

double CosineSchedule::at(double epoch) const noexcept {
  if (epoch < warmup) return peak * epoch / warmup;
  const double span = total - warmup;
  const double progress = span > 0 ? (epoch - warmup) / span : 1.0;
  return minimum + (peak - minimum) * 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
}

}  // namespace terramill::train
