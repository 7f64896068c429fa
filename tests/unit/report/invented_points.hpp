#pragma once

#include <terramill/report/scaling_point.hpp>

#include <string>

namespace terramill::report {

/// A point that a small sweep could have measured: every member has a value of its own.
inline ScalingPoint invented_point() {
  ScalingPoint point;
  point.device = "NVIDIA H100 80GB HBM3";
  point.processor = "a processor";
  point.nodes = 2;
  point.ranks = 6;
  point.dp = 3;
  point.tp = 2;
  point.zero = true;
  point.model = "terrafm";
  point.config = "terrafm-small-majortom-p16";
  point.parameters = 32'000'000;
  point.scaling = "weak";
  point.micro_batch_size = 16;
  point.micro_batches = 12;
  point.global_batch = 192;
  point.codec = "zstd";
  point.precision = "bfloat16";
  point.reduction = "exact";
  point.checkpointing = true;
  point.repetition = 2;
  point.warmup_steps = 3;
  point.steps = 2;
  point.step_seconds = {0.25, 0.75};
  point.images_per_second = 384;
  point.flops_per_image = 1.5e10;
  point.gradient_bytes = 6.4e7;
  point.tp_bytes = 3e8;
  point.tp_calls = 96;
  point.phases = {0.3, 0.1, 0.05, 0.08, 0.02};
  point.mfu = 0.4;
  point.peak_flops = 9.89e14;
  return point;
}

}  // namespace terramill::report
