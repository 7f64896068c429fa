#include "session.hpp"

#include <terramill/parallel/device.hpp>
#include <terramill/train/measurement.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <span>

namespace terramill::train {

namespace {

using Clock = std::chrono::steady_clock;

PretrainConfig for_measuring(PretrainConfig config, std::int64_t steps) {
  const std::int64_t tiles = steps * config.train.micro_batch_size * config.train.micro_batches;
  if (config.plan.empty()) config.sampling.tiles = std::max(config.sampling.tiles, tiles);
  if (config.train.steps > 0) config.train.steps = std::max(config.train.steps, steps);
  config.dino.freeze_last_layer = 0;
  return config;
}

/// Of this rank's part of the model, in the type in which gradients are sent.
double gradient_bytes(const parallel::GradientBuffer& gradients, const TrainOptions& options) {
  double bytes = 0;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    bytes += static_cast<double>(gradients.parameter(i).second.nbytes());
  }
  const bool halved = options.reduction == "fast" && options.reduction_dtype == "bfloat16";
  return halved ? bytes / 2 : bytes;
}

/// The means of the rank that computed longest, from every rank's sums over `steps`.
StepPhases longest(const mpi::Communicator& world, const StepPhases& own, double steps) {
  const std::array<double, 5> mine{own.compute, own.communication_exposed, own.communication_hidden,
                                   own.data_wait, own.checkpoint};
  const std::vector<double> all = world.all_gather(std::span<const double>(mine));
  std::size_t first = 0;  // of the numbers of that rank
  for (std::size_t rank = 0; rank < all.size(); rank += mine.size()) {
    if (all[rank] > all[first]) first = rank;
  }
  const auto mean = [&](std::size_t i) { return all[first + i] / steps; };
  return {mean(0), mean(1), mean(2), mean(3), mean(4)};
}

}  // namespace

std::optional<Measurement> measure(const mpi::Communicator& world, PretrainConfig config, MeasuredSteps steps,
                                   const StopRequest& stop) {
  validate(config);
  prepare_process(config);
  config = for_measuring(std::move(config), steps.warmup + steps.counted);
  Session session(world, config);
  const auto stopped = [&] { return world.max(static_cast<int>(stop.pending())) != 0; };
  for (int i = 0; i < steps.warmup; ++i) {
    session.step();
    if (stopped()) return std::nullopt;
  }

  Measurement measured;
  StepPhases own;
  double total = 0;
  const auto traffic = session.mesh().tensor_group().traffic();
  world.barrier();
  for (int i = 0; i < steps.counted; ++i) {
    const auto start = Clock::now();
    const PhaseSeconds before = phase_seconds();
    measured.flops_per_image += session.step().flops;
    if (stopped()) return std::nullopt;
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    measured.step_seconds.push_back(seconds);
    total += seconds;
    own += StepPhases::of(seconds, phase_seconds() - before);
  }
  world.max(std::span(measured.step_seconds));
  const auto images = static_cast<double>(session.shape().global_batch()) * steps.counted;
  measured.flops_per_image /= images;
  if (const auto peak = total_peak(session, config)) measured.peak_flops = *peak / world.size();
  measured.images_per_second = images / world.max(total);
  measured.device = parallel::device_name(session.mesh().device());
  measured.dp = session.mesh().dp();
  measured.tp = session.mesh().tp();
  measured.parameters = session.parameters();
  measured.gradient_bytes = world.max(gradient_bytes(session.gradients(), config.train));
  const auto after = session.mesh().tensor_group().traffic();
  measured.tp_bytes = world.max(static_cast<double>(after.bytes - traffic.bytes) / steps.counted);
  measured.tp_calls = world.max((after.calls - traffic.calls) / steps.counted);
  measured.phases = longest(world, own, steps.counted);
  return measured;
}

}  // namespace terramill::train
