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

}  // namespace terramill::train
