#include "terrafm_training.hpp"

#include "compute_form.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/trace.hpp>
#include <terramill/model/activation_memory.hpp>
#include <terramill/model/precision.hpp>
#include <terramill/train/multi_crop.hpp>

#include <algorithm>
#include <cmath>

#include <torch/torch.h>

namespace terramill::train {

namespace {

model::DinoHeadConfig head_of(const PretrainConfig& config, const TerrafmSetup& setup) {
  const DinoOptions& o = config.dino;
  return {setup.model.embed_dim, o.hidden_dim, o.bottleneck_dim, o.out_dim, o.norm_last_layer};
}

DinoRecipe recipe_of(const PretrainConfig& config) {
  const DinoOptions& o = config.dino;
  return {o.student_temperature, o.centre_momentum,      o.high_centre_momentum, o.centre_share, o.clip,
          o.freeze_last_layer,   config.train.bfloat16()};
}

std::uint64_t seed_of(const PretrainConfig& config) { return static_cast<std::uint64_t>(config.train.seed); }

double peak_rate(const TrainOptions& t) {
  const auto global_batch = static_cast<double>(t.micro_batch_size) * t.micro_batches;
  return t.lr > 0 ? t.lr : t.base_lr * global_batch / 256.0;
}

std::int64_t rows_of(const model::SensorImages& images) {
  return images.present.defined() ? images.present.size(0) : 0;
}

}  // namespace

TerrafmTask::TerrafmTask(const parallel::Mesh& mesh, const PretrainConfig& config, TerrafmSetup setup,
                         at::ScalarType dtype)
    : mesh_(mesh),
      config_(config),
      setup_(std::move(setup)),
      dtype_(dtype),
      staging_(mesh.device()),
      frequent_(mesh.world(), config.corpus, config.dino.high_share),
      trainer_(mesh, setup_.model, head_of(config, setup_), recipe_of(config),
               parallel::parse_reduction(config.train.reduction), seed_of(config), dtype),
      drop_rates_(model::drop_path_rates(setup_.model)) {
  trainer_.student().backbone->recompute_blocks(config.train.activation_checkpointing);
}

checkpoint::InitReport TerrafmTask::init_from(const std::string& path) {
  // A run's checkpoint names backbone.* and head.*; released weights are those of the encoder alone.
  const std::vector<std::string> names = checkpoint::weight_names(path);
  const bool whole = std::any_of(names.begin(), names.end(),
                                 [](const std::string& name) { return name.starts_with("backbone."); });
  const torch::nn::Module& part =
      whole ? static_cast<const torch::nn::Module&>(trainer_.student()) : *trainer_.student().backbone;
  std::vector<parallel::NamedTensor> wanted;
  for (const auto& item : part.named_parameters()) wanted.emplace_back(item.key(), item.value());
  checkpoint::InitReport report = checkpoint::init_from(path, wanted, model::placements_of(part));
  trainer_.copy_student();
  return report;
}

void TerrafmTask::set_length(std::int64_t total_steps, std::int64_t steps_per_epoch) {
  const TrainOptions& t = config_.train;
  const std::int64_t warmup = t.warmup_steps >= 0
                                  ? t.warmup_steps
                                  : std::llround(t.warmup_epochs * static_cast<double>(steps_per_epoch));
  if (warmup > total_steps) {
    throw UsageError("the warm-up is longer than the schedule",
                     {"check the configuration", "train.warmup_epochs", ""});
  }
  steps_per_epoch_ = steps_per_epoch;
  lr_ = {peak_rate(t), t.min_lr, 0, warmup, total_steps};
  weight_decay_ = {t.weight_decay, config_.dino.weight_decay_end, 0, 0, total_steps};
  momentum_ = {config_.dino.teacher_momentum, 1, 0, 0, total_steps};
}

double TerrafmTask::temperature_at(std::int64_t step) const {
  const DinoOptions& o = config_.dino;
  return teacher_temperature(o.teacher_temperature_start, o.teacher_temperature, o.teacher_temperature_epochs,
                             epoch_of(step));
}

DinoViews TerrafmTask::views_of(const loader::MicroBatch& loaded, std::uint64_t epoch, std::int64_t step,
                                int index) {
  const model::SensorImages tiles =
      sensor_images(loaded, setup_, mesh_.device(), dtype_, staging_.take(loaded));
  SensorPlan::Choice available{};
  for (std::size_t s = 0; s < model::kSensors; ++s) available[s] = tiles.images[s].defined();
  const SensorPlan plan = draw_sensor_plan(available, 2 + config_.dino.local_crops,
                                           config_.dino.sensor_probability, seed_of(config_), step, index);
  std::vector<std::vector<Crop>> crops;
  at::Tensor high = at::empty({loaded.size()}, at::kBool);
  for (std::size_t b = 0; b < loaded.positions.size(); ++b) {
    crops.push_back(draw_crops(config_.dino, setup_.window, seed_of(config_), epoch, loaded.positions[b],
                               loaded.tile_keys[b]));
    high.mutable_data_ptr<bool>()[b] = frequent_(loaded.index_rows[b]);
  }
  DinoViews views = make_views(tiles, crops, plan, config_.model.image_size, config_.dino.local_size);
  views.high = high;
  return views;
}

model::Flops TerrafmTask::flops_of(const DinoViews& views) const {
  const model::DinoHeadConfig head = head_of(config_, setup_);
  const std::int64_t teacher = rows_of(views.teacher);
  const std::int64_t student = rows_of(views.student_global) + rows_of(views.student_local);
  model::Flops flops = model::dino_head_flops(head, student, true);
  flops += model::dino_head_flops(head, teacher, false);
  flops += model::terrafm_flops(setup_.model, views.student_global, true);
  flops += model::terrafm_flops(setup_.model, views.student_local, true);
  flops += model::terrafm_flops(setup_.model, views.teacher, false);
  return flops;
}

std::vector<double> TerrafmTask::train(const loader::MicroBatch& loaded, const MicroBatchPlace& place) {
  trace::Span span("views", "compute");
  const DinoViews views = views_of(loaded, place.epoch, place.step, place.index);
  span.end();
  const at::TensorOptions options = at::device(mesh_.device()).dtype(dtype_);
  const auto keep = [&](const model::SensorImages& images, int part) {
    return draw_drop_path(drop_rates_, rows_of(images), seed_of(config_), place.step, place.index, part,
                          options);
  };
  flops_ = flops_of(views);
  return {trainer_.train(place.index, views, temperature_at(place.step), keep(views.student_global, 0),
                         keep(views.student_local, 1))};
}

std::vector<double> TerrafmTask::evaluate(const loader::MicroBatch& loaded, int index) {
  // Always the crops and sensors of step 0 and the final temperature: the numbers are to be compared.
  return {trainer_.evaluate(views_of(loaded, 0, 0, index), config_.dino.teacher_temperature)};
}

UpdateRates TerrafmTask::before_update(parallel::GradientBuffer& gradients, std::int64_t step) {
  trainer_.before_update(gradients, epoch_of(step));
  return {lr_.at(step), weight_decay_.at(step)};
}

void TerrafmTask::after_update(std::int64_t step) {
  const double momentum = momentum_.at(step);
  trainer_.after_update(momentum);
  scalars_ = {{"weight_decay", weight_decay_.at(step)},
              {"teacher_momentum", momentum},
              {"teacher_temperature", temperature_at(step)},
              {"centre_norm", trainer_.norm(trainer_.centre())},
              {"centre_high_norm", trainer_.norm(trainer_.high_centre())}};
}

at::Tensor TerrafmTask::features(const loader::MicroBatch& loaded) {
  const torch::NoGradGuard no_grad;
  const model::Bfloat16Scope precision(mesh_.device().type(), config_.train.bfloat16());
  return trainer_.teacher().backbone->forward(sensor_images(loaded, setup_, mesh_.device(), dtype_));
}

std::int64_t TerrafmTask::activation_bytes() const {
  const DinoOptions& o = config_.dino;
  const model::ComputeForm form = compute_form(config_.train, mesh_);
  const std::int64_t samples = config_.train.micro_batch_size, global = config_.model.image_size;
  const std::int64_t local = o.local_size, window = setup_.window;
  std::vector<model::Sensor> sensors;
  std::int64_t bands = 0;
  for (const SensorSource& source : setup_.sources) {
    if (std::find(sensors.begin(), sensors.end(), source.sensor) != sensors.end()) continue;
    sensors.push_back(source.sensor);
    bands += model::kSensorBands[static_cast<std::size_t>(source.sensor)];
  }
  // Tiles as they come and without missing values; the views of student and teacher.
  const std::int64_t pixels = 2 * window * window + 4 * global * global + o.local_crops * local * local;
  const model::ActivationBytes large =
      model::terrafm_activations(setup_.model, 2 * samples, global, sensors, form);
  const model::ActivationBytes small =
      model::terrafm_activations(setup_.model, o.local_crops * samples, local, sensors, form);
  const model::ActivationBytes head =
      model::dino_activations(samples, 2 + o.local_crops, o.hidden_dim, o.bottleneck_dim, o.out_dim, form);
  const std::int64_t rows = config_.train.reduction == "exact" ? config_.train.micro_batches : 1;
  const std::int64_t sums = rows * 2 * o.out_dim * form.element / form.tp;
  return samples * bands * pixels * form.element + large.kept + small.kept + head.kept + sums +
         std::max({large.transient, small.transient, head.transient});
}

std::string TerrafmTask::description() const {
  std::string sensors;
  for (const SensorSource& source : setup_.sources) {
    sensors += (sensors.empty() ? "" : ", ") + std::string(name_of(source.sensor));
  }
  std::string idle;
  for (const std::string& name : setup_.idle) idle += (idle.empty() ? "; no tile has " : ", ") + name;
  if (!idle.empty()) idle += ": their stems take no part";
  const model::TerrafmConfig& m = setup_.model;
  return "TerraFM of width " + std::to_string(m.embed_dim) + " and depth " + std::to_string(m.depth) +
         "; sensors " + sensors + "; 2 crops of " + std::to_string(config_.model.image_size) + " and " +
         std::to_string(config_.dino.local_crops) + " of " + std::to_string(config_.dino.local_size) +
         " pixels, patches of " + std::to_string(m.patch_size) + ", from tiles of " +
         std::to_string(setup_.window) + idle;
}

Json TerrafmTask::about() const {
  Json sensors = Json::array();
  for (const SensorSource& source : setup_.sources) sensors.push_back(std::string(name_of(source.sensor)));
  return {{"model", "terrafm"}, {"sensors", sensors}, {"idle", setup_.idle}};
}

}  // namespace terramill::train
