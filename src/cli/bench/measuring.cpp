#include "measuring.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/log.hpp>
#include <terramill/core/progress.hpp>
#include <terramill/report/workload.hpp>
#include <terramill/train/measurement.hpp>

namespace terramill::cli {

namespace {

using terramill::report::ScalingPoint;

/// What tells a point from all others of a file.
std::string key_of(const ScalingPoint& point) {
  return point.layout() + ", " + std::to_string(point.steps) + " steps after " +
         std::to_string(point.warmup_steps) + ", repetition " + std::to_string(point.repetition);
}

void fill(ScalingPoint& point, const train::Measurement& measured) {
  point.parameters = measured.parameters;
  point.step_seconds = measured.step_seconds;
  point.images_per_second = measured.images_per_second;
  point.flops_per_image = measured.flops_per_image;
  point.peak_flops = measured.peak_flops;
  if (point.peak_flops) {
    point.mfu = point.images_per_second * point.flops_per_image /
                (*point.peak_flops * static_cast<double>(point.ranks));
  }
  point.gradient_bytes = measured.gradient_bytes;
  point.tp_bytes = measured.tp_bytes;
  point.tp_calls = measured.tp_calls;
  const train::StepPhases& phases = measured.phases;
  point.phases = {phases.compute, phases.communication_exposed, phases.communication_hidden, phases.data_wait,
                  phases.checkpoint};
}

}  // namespace

Sweep::Sweep(const mpi::Communicator& world, const SweepOptions& options, const train::PretrainConfig& config,
             const std::filesystem::path& file)
    : world_(world),
      options_(options),
      config_(config),
      file_(file),
      trials_(plan_sweep(options, config, world.size())),
      machine_(describe_machine(world, config.train.device)) {}

ScalingPoint Sweep::planned(const Trial& trial, int repetition) const {
  ScalingPoint point;
  point.device = machine_.device;
  point.processor = machine_.processor;
  point.nodes = machine_.nodes;
  point.ranks = world_.size();
  point.tp = trial.tp;
  point.dp = point.ranks / trial.tp;
  point.zero = trial.zero;
  point.model = config_.model.family;
  point.config = options_.name;
  point.scaling = trial.weak ? "weak" : "strong";
  point.micro_batch_size = trial.micro_batch_size;
  point.micro_batches = trial.micro_batches;
  point.global_batch = point.micro_batch_size * point.micro_batches;
  point.codec = trial.codec;
  point.precision = terramill::report::product_type(config_.train);
  point.reduction = config_.train.reduction;
  point.checkpointing = config_.train.activation_checkpointing;
  point.repetition = repetition;
  point.warmup_steps = options_.warmup;
  point.steps = options_.steps;
  return point;
}

void Sweep::read_file() {
  // A file without a whole line holds no point; the first one that is added replaces it.
  if (!std::filesystem::exists(file_) || read_text(file_).find('\n') == std::string::npos) return;
  terramill::report::ScalingPoints before = terramill::report::read_scaling_points({file_});
  for (const std::string& remark : before.remarks) log::warn("{}", remark);
  for (ScalingPoint& point : before.points) held_.insert_or_assign(key_of(point), std::move(point));
}

bool Sweep::held(const ScalingPoint& point) const {
  return world_.broadcast(std::string(held_.contains(key_of(point)) ? "held" : "")) == "held";
}

void Sweep::refuse(Trial& trial, const std::string& reason) {
  trial.refusal = reason;
  if (world_.rank() == 0) log::warn("left out: {}: {}", trial.text(), reason);
}

bool Sweep::measure(Trial& trial, ScalingPoint point) {
  try {
    const auto measured = train::measure(world_, config_of(trial, config_),
                                         {.warmup = options_.warmup, .counted = options_.steps}, stop_);
    if (!measured) return false;
    fill(point, *measured);
  } catch (const UsageError& error) {  // every rank has the same
    refuse(trial, error.message());
    return true;
  }
  mpi::all_or_none(world_, [&] {
    if (world_.rank() != 0) return;
    terramill::report::append_scaling_point(file_, point);
    held_.insert_or_assign(key_of(point), point);
  });
  ++measured_;
  return true;
}

bool Sweep::run() {
  mpi::all_or_none(world_, [&] {
    if (world_.rank() == 0) read_file();
  });
  for (Trial& trial : trials_) {
    if (!trial.refusal.empty()) refuse(trial, trial.refusal);
  }
  Progress progress("bench", trials_.size() * static_cast<std::size_t>(options_.repeat), "measurements");
  for (int repetition = 0; repetition < options_.repeat; ++repetition) {
    for (Trial& trial : trials_) {
      if (trial.refusal.empty()) {
        const ScalingPoint point = planned(trial, repetition);
        progress.note(trial.text());
        if (!held(point) && !measure(trial, point)) return false;
      }
      progress.add();
    }
  }
  return true;
}

std::vector<ScalingPoint> Sweep::points(const Trial& trial) const {
  std::vector<ScalingPoint> found;
  for (int repetition = 0; repetition < options_.repeat; ++repetition) {
    const auto point = held_.find(key_of(planned(trial, repetition)));
    if (point != held_.end()) found.push_back(point->second);
  }
  return found;
}

}  // namespace terramill::cli
