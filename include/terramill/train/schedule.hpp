#pragma once

#include <cstdint>

namespace terramill::train {

/// Learning rate with linear warm-up and a half-cycle cosine (MMEarth-train util/lr_sched.py):
/// lr(e) = peak e / warmup for e < warmup, else min + (peak - min) / 2 (1 + cos(pi (e - warmup) / (total -
/// warmup))).
///
/// `epoch` is fractional: epoch + step in epoch / steps per epoch. `warmup` and `total` are in epochs.
struct CosineSchedule {
  double peak = 0, minimum = 0;
  double warmup = 0, total = 1;

  double at(double epoch) const noexcept;
};

/// DINO's cosine_scheduler (utils.py of facebookresearch/dino), by step: warm-up along numpy.linspace(start,
/// base, warmup), whose end is `base`, then final + (base - final) / 2 (1 + cos(pi k / (total - warmup))) for
/// k = 0, 1, …: `base` is hit twice and `final` never quite.
struct DinoSchedule {
  double base = 0, final = 0, start = 0;
  std::int64_t warmup = 0, total = 1;  ///< steps

  double at(std::int64_t step) const noexcept;
};

/// DINOLoss's teacher temperature of an epoch: numpy.linspace(from, to, warmup), then `to`.
double teacher_temperature(double from, double to, std::int64_t warmup_epochs, std::int64_t epoch) noexcept;

}  // namespace terramill::train
