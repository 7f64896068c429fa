#include "mpmae_training.hpp"

#include "compute_form.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/trace.hpp>
#include <terramill/model/activation_memory.hpp>
#include <terramill/model/masking.hpp>
#include <terramill/model/precision.hpp>

#include <torch/torch.h>

namespace terramill::train {

MpmaeTask::MpmaeTask(const parallel::Mesh& mesh, const PretrainConfig& config, MpmaeSetup setup,
                     at::ScalarType dtype)
    : mesh_(mesh),
      config_(config),
      setup_(std::move(setup)),
      dtype_(dtype),
      staging_(mesh.device()),
      model_(std::make_shared<model::Mpmae>(setup_.model, mesh.tensor_group())) {
  model_->initialise(static_cast<std::uint64_t>(config.train.seed));
  model_->to(mesh.device(), dtype);
  model_->recompute_blocks(config.train.activation_checkpointing);
}

std::vector<parallel::ParameterGroup> MpmaeTask::groups() const {
  std::vector<parallel::ParameterGroup> groups(2);
  groups[0].decay = true;
  groups[1].decay = false;
  for (const auto& item : model_->named_parameters()) {
    const bool decays = model::takes_weight_decay(item.key(), item.value().dim());
    groups[decays ? 0 : 1].parameters.emplace_back(item.key(), item.value());
  }
  return groups;
}

std::vector<parallel::NamedTensor> MpmaeTask::state() const {
  std::vector<parallel::NamedTensor> state;
  for (const auto& item : model_->named_parameters()) {
    state.emplace_back(checkpoint::kModelPrefix + item.key(), item.value().detach());
  }
  return state;
}

void MpmaeTask::set_gate(std::function<void(const at::Tensor&)> wait) {
  model_->set_gate([wait = std::move(wait)](const std::vector<at::Tensor>& parameters) {
    for (const at::Tensor& parameter : parameters) wait(parameter);
  });
}

checkpoint::InitReport MpmaeTask::init_from(const std::string& path) {
  std::vector<parallel::NamedTensor> wanted;
  for (const auto& item : model_->named_parameters()) wanted.emplace_back(item.key(), item.value());
  return checkpoint::init_from(path, wanted, placements());
}

void MpmaeTask::set_length(std::int64_t total_steps, std::int64_t steps_per_epoch) {
  const TrainOptions& t = config_.train;
  steps_per_epoch_ = static_cast<double>(steps_per_epoch);
  schedule_.peak =
      t.lr > 0 ? t.lr : t.base_lr * static_cast<double>(t.micro_batch_size * t.micro_batches) / 256.0;
  schedule_.minimum = t.min_lr;
  schedule_.total = static_cast<double>(total_steps) / steps_per_epoch_;
  schedule_.warmup =
      t.warmup_steps >= 0 ? static_cast<double>(t.warmup_steps) / steps_per_epoch_ : t.warmup_epochs;
  if (schedule_.warmup > schedule_.total) {
    throw UsageError("the warm-up is longer than the schedule",
                     {"check the configuration", "train.warmup_epochs", ""});
  }
}

std::vector<std::string> MpmaeTask::losses() const {
  std::vector<std::string> names{"loss"};
  for (const model::MpmaeTarget& target : setup_.model.targets) names.push_back("loss_" + target.name);
  return names;
}

model::MpmaeBatch MpmaeTask::batch_of(const loader::MicroBatch& loaded, std::uint64_t epoch) {
  return make_batch(loaded, setup_, config_.model.mask_ratio, static_cast<std::uint64_t>(config_.train.seed),
                    epoch, mesh_.device(), dtype_, staging_.take(loaded));
}

model::MpmaeOutput MpmaeTask::forward(const loader::MicroBatch& loaded, std::uint64_t epoch) {
  const model::Bfloat16Scope precision(mesh_.device().type(), config_.train.bfloat16());
  return model_->forward(batch_of(loaded, epoch));
}

std::vector<double> MpmaeTask::train(const loader::MicroBatch& loaded, const MicroBatchPlace& place) {
  trace::Span span("forward", "compute");
  const model::MpmaeOutput output = forward(loaded, place.epoch);
  span.end();
  const trace::Span backward("backward", "compute");
  if (output.total.requires_grad()) output.total.backward();
  const std::int64_t side = setup_.image_size / setup_.model.patch_size, patches = side * side;
  const std::int64_t removed = patches - model::kept_patches(patches, config_.model.mask_ratio);
  flops_ = model::mpmae_flops(
      setup_.model, {loaded.size(), loaded.size() * patches, loaded.size() * removed, output.participates});
  return losses_of(output);
}

std::vector<double> MpmaeTask::evaluate(const loader::MicroBatch& loaded, int /*index*/) {
  const torch::NoGradGuard no_grad;
  return losses_of(forward(loaded, 0));
}

UpdateRates MpmaeTask::before_update(parallel::GradientBuffer& /*gradients*/, std::int64_t step) {
  return {schedule_.at(static_cast<double>(step) / steps_per_epoch_), config_.train.weight_decay};
}

at::Tensor MpmaeTask::features(const loader::MicroBatch& loaded) {
  const torch::NoGradGuard no_grad;
  const model::MpmaeBatch batch = batch_of(loaded, 0);
  const model::Bfloat16Scope precision(mesh_.device().type(), config_.train.bfloat16());
  // One by one: GRN looks at all active sites of what is encoded together.
  std::vector<at::Tensor> rows;
  const at::Tensor nothing_removed = at::zeros_like(batch.mask);
  for (std::int64_t b = 0; b < loaded.size(); ++b) {
    rows.push_back(model_->encode(batch.input.narrow(0, b, 1), nothing_removed.narrow(0, b, 1)).mean({2, 3}));
  }
  return at::cat(rows);
}

std::int64_t MpmaeTask::activation_bytes() const {
  const TrainOptions& t = config_.train;
  const std::int64_t size = setup_.image_size, samples = t.micro_batch_size;
  const model::ComputeForm form = compute_form(t, mesh_);
  const model::ActivationBytes of_model =
      model::mpmae_activations(setup_.model, samples, size, config_.model.mask_ratio, form);
  std::int64_t channels = setup_.model.in_channels;
  for (const model::MpmaeTarget& target : setup_.model.targets) {
    if (!target.is_pixel()) continue;
    // Class numbers are of 64 bits.
    channels += target.kind == model::TargetKind::kCategoricalPixel ? 8 / form.element : target.channels;
  }
  return samples * channels * size * size * form.element + of_model.kept + of_model.transient;
}

std::string MpmaeTask::description() const {
  const ModelOptions& m = config_.model;
  std::string inputs;
  for (std::size_t i = 0; i < setup_.inputs; ++i) {
    inputs += (i == 0 ? "" : ", ") + setup_.requests[i].modality;
  }
  std::string text = "MP-MAE " + (m.depths.empty() && m.dims.empty() ? m.size : "of its own size") +
                     "; input " + inputs + " (" + std::to_string(setup_.model.in_channels) + " bands, " +
                     std::to_string(setup_.image_size) + " pixels, patches of " +
                     std::to_string(setup_.model.patch_size) + ")";
  if (!setup_.idle.empty()) {
    std::string names;
    for (const std::string& name : setup_.idle) names += (names.empty() ? "" : ", ") + name;
    text += "; no tile has " + names + ": their heads take no part";
  }
  return text;
}

Json MpmaeTask::about() const {
  Json targets = Json::array();
  for (const model::MpmaeTarget& target : setup_.model.targets) targets.push_back(target.name);
  Json inputs = Json::array();
  for (std::size_t i = 0; i < setup_.inputs; ++i) {
    inputs.push_back({{"modality", setup_.requests[i].modality}, {"bands", setup_.requests[i].bands}});
  }
  return {{"model", "mpmae"}, {"input", inputs}, {"targets", targets}, {"idle", setup_.idle}};
}

}  // namespace terramill::train
