#include <terramill/train/schedule.hpp>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace terramill::train {

double CosineSchedule::at(double epoch) const noexcept {
  if (epoch < warmup) return peak * epoch / warmup;
  const double span = total - warmup;
  const double progress = span > 0 ? (epoch - warmup) / span : 1.0;
  return minimum + (peak - minimum) * 0.5 * (1.0 + std::cos(std::numbers::pi * progress));
}

namespace {

/// Element i of numpy.linspace(from, to, count).
double linspace(double from, double to, std::int64_t count, std::int64_t i) noexcept {
  if (i == count - 1 && count > 1) return to;
  return from +
         static_cast<double>(i) * ((to - from) / static_cast<double>(std::max<std::int64_t>(1, count - 1)));
}

}  // namespace

double DinoSchedule::at(std::int64_t step) const noexcept {
  if (step < warmup) return linspace(start, base, warmup, step);
  const auto k = static_cast<double>(step - warmup), span = static_cast<double>(total - warmup);
  return final + 0.5 * (base - final) * (1 + std::cos(std::numbers::pi * k / span));
}

double teacher_temperature(double from, double to, std::int64_t warmup_epochs, std::int64_t epoch) noexcept {
  return epoch < warmup_epochs ? linspace(from, to, warmup_epochs, epoch) : to;
}

}  // namespace terramill::train
