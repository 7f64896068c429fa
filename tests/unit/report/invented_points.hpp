#pragma once

#include <terramill/report/scaling_fit.hpp>

#include <cstdint>
#include <tuple>
#include <vector>

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

/// A sweep whose step times follow the model of step_model.hpp with these costs: dp and tp over one to four
/// nodes, two batches, `repetitions` each. Every time is multiplied by 1 + a number of [-noise, noise] that
/// looks random.
inline std::vector<ScalingPoint> invented_sweep(const StepCosts& costs, int repetitions = 1,
                                                double noise = 0) {
  std::vector<ScalingPoint> points;
  std::uint32_t state = 12345;
  const auto noisy = [&](double value) {
    state = state * 1664525U + 1013904223U;
    return value * (1 + noise * (static_cast<double>(state) / 2147483648.0 - 1));
  };
  for (const auto& [nodes, dp, tp] : {std::tuple{1, 1, 1},
                                      {1, 2, 1},
                                      {1, 4, 1},
                                      {1, 1, 2},
                                      {1, 2, 2},
                                      {2, 4, 1},
                                      {4, 8, 1},
                                      {2, 2, 2},
                                      {4, 4, 2}}) {
    for (const int batch : {4, 8}) {
      for (int repetition = 0; repetition < repetitions; ++repetition) {
        ScalingPoint point = invented_point();
        point.device = "cpu";
        point.zero = false;
        point.nodes = nodes;
        point.dp = dp;
        point.tp = tp;
        point.ranks = dp * tp;
        point.micro_batch_size = batch;
        point.micro_batches = 2 * dp;
        point.global_batch = point.micro_batch_size * point.micro_batches;
        point.gradient_bytes = 2e7 / tp;
        point.tp_calls = tp > 1 ? 96 : 0;
        point.tp_bytes = tp > 1 ? 1e6 * batch : 0;
        point.repetition = repetition;
        point.mfu.reset();
        point.peak_flops.reset();
        const StepSeconds step = predict(costs, work_of(point, {}));
        point.phases = {noisy(step.compute), noisy(step.exposed()), noisy(step.hidden), noisy(step.data_wait),
                        0};
        const double total = point.phases.compute + point.phases.communication_exposed +
                             point.phases.data_wait + noisy(step.overhead);
        point.steps = 1;
        point.step_seconds = {total};
        point.images_per_second = static_cast<double>(point.global_batch) / total;
        points.push_back(point);
      }
    }
  }
  return points;
}

inline StepCosts invented_costs() {
  StepCosts costs;
  costs.image_split = 0.03;
  costs.image_whole = 0.004;
  costs.micro_batch = 0.01;
  costs.local = {1e-5, 1e-9};
  costs.remote = {2e-4, 8e-9};
  costs.overlap = 0.4;
  costs.image_wait = 0.001;
  costs.overhead = 0.02;
  return costs;
}

}  // namespace terramill::report
