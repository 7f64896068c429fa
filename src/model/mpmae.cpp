#include <terramill/core/error.hpp>
#include <terramill/model/init.hpp>
#include <terramill/model/losses.hpp>
#include <terramill/model/mpmae.hpp>
#include <terramill/model/precision.hpp>
#include <terramill/model/recompute.hpp>

#include <string>
#include <utility>

#include <torch/torch.h>

namespace terramill::model {
namespace {

/// Outputs from which on a head is split over a tensor-parallel group.
constexpr std::int64_t kWideHead = 256;

std::string text_of(at::IntArrayRef sizes) {
  std::string text;
  for (const std::int64_t size : sizes) {
    text += (text.empty() ? "[" : ", ") + std::to_string(size);
  }
  return text + "]";
}

void demand_shape(const at::Tensor& tensor, const std::string& name, at::IntArrayRef wanted) {
  if (!tensor.defined() || tensor.sizes() != wanted) {
    throw UsageError(
        "the micro-batch's " + name + " has shape " +
            (tensor.defined() ? text_of(tensor.sizes()) : std::string("none")) + " where the model needs " +
            text_of(wanted),
        {"MP-MAE forward", name, "compare the configuration's bands, crop and patch size with the corpus"});
  }
}

void check_batch(const MpmaeConfig& config, const MpmaeBatch& batch) {
  if (!batch.input.defined() || batch.input.dim() != 4 || batch.input.size(2) % config.patch_size != 0 ||
      batch.input.size(3) % config.patch_size != 0 || batch.targets.size() != config.targets.size()) {
    throw UsageError(
        "the micro-batch has no 4-dimensional input of whole patches, or not one entry per target",
        {"MP-MAE forward", "", "the crop must be a multiple of the patch size"});
  }
  const std::int64_t samples = batch.input.size(0), height = batch.input.size(2), width = batch.input.size(3);
  demand_shape(batch.input, "input", {samples, config.in_channels, height, width});
  demand_shape(batch.mask, "mask", {samples, (height / config.patch_size) * (width / config.patch_size)});
  for (std::size_t i = 0; i < batch.targets.size(); ++i) {
    const MpmaeTarget& target = config.targets[i];
    if (!batch.targets[i].defined()) continue;
    if (target.is_pixel()) {
      const std::int64_t channels = target.kind == TargetKind::kCategoricalPixel ? 1 : target.channels;
      demand_shape(batch.targets[i], target.name, {samples, channels, height, width});
    } else {
      demand_shape(batch.targets[i], target.name, {samples, target.channels});
    }
  }
}

}  // namespace

/// A target's rows (losses.hpp) with missing elements filled, and whether it takes part.
struct Mpmae::PreparedTarget {
  at::Tensor rows;
  bool participates = false;
};

Mpmae::Mpmae(MpmaeConfig config, const parallel::TensorGroup& group)
    : config_(std::move(config)), group_(group) {
  check(config_);
  const std::int64_t width = config_.decoder_width;
  mask_token_ = register_parameter("mask_token", torch::zeros({1, width, 1, 1}));
  if (config_.aggregation == Aggregation::kUncertainty) {
    const auto strategy = register_module("loss_fn", std::make_shared<torch::nn::Module>());
    log_vars_ = strategy->register_parameter(
        "log_vars", torch::zeros({static_cast<std::int64_t>(config_.targets.size())}));
  }
  encoder_ = register_module("encoder", std::make_shared<MaskedEncoder>(config_, group));
  proj_ = register_module("proj", std::make_shared<Linear>(config_.size.dims.back(), width, true));

  const auto decoders = register_module("decoder_dict", std::make_shared<torch::nn::Module>());
  const auto shared =
      decoders->register_module(config_.targets.front().name, std::make_shared<torch::nn::ModuleListImpl>());
  for (std::int64_t i = 0; i < config_.decoder_depth; ++i) {
    decoder_.push_back(std::make_shared<DenseBlock>(width, group));
    shared->push_back(std::shared_ptr<torch::nn::Module>(decoder_.back()));
  }
  const auto heads = register_module("pred_dict", std::make_shared<torch::nn::Module>());
  bool image_level = false;
  for (const MpmaeTarget& target : config_.targets) {
    const Splitting splitting{outputs_of(target) >= kWideHead ? Split::kColumn : Split::kNone, group, 0, 1,
                              false};
    heads_.push_back(heads->register_module(
        target.name,
        std::make_shared<Linear>(width, outputs_of(target), target.is_pixel(), true, splitting)));
    image_level = image_level || !target.is_pixel();
  }
  if (image_level) {
    image_norm_ = register_module("layer_norm_tmp", std::make_shared<Norm>(width));
  }
}

std::int64_t Mpmae::outputs_of(const MpmaeTarget& target) const {
  return target.is_pixel() ? config_.patch_size * config_.patch_size * target.channels : target.channels;
}

void Mpmae::initialise(std::uint64_t seed) {
  const parallel::Placements placements = placements_of(*this);
  for (const auto& parameter : named_parameters()) {
    draw_parameter(parameter.value(), parameter.key(),
                   mpmae_distribution(parameter.key(), parameter.value().dim()), seed,
                   parallel::find(placements, parameter.key()));
  }
}

void Mpmae::recompute_blocks(bool on) {
  recomputing_ = on;
  encoder_->recompute_blocks(on);
}

at::Tensor Mpmae::encode(const at::Tensor& input, const at::Tensor& mask, EncoderTrace* trace) const {
  const at::Tensor typed = input.to(mask_token_.dtype());
  const bool filled = config_.missing != MissingMode::kReference;
  return encoder_->forward(filled ? typed.nan_to_num(0, 0, 0) : typed, mask, trace).permute({0, 3, 1, 2});
}

at::Tensor Mpmae::decode(const at::Tensor& features, const at::Tensor& mask) const {
  ready({mask_token_});
  ready(proj_->parameters());
  SiteLevel grid{features.size(0), features.size(2), features.size(3), {}, {}, {}};
  const at::Tensor rows = features.permute({0, 2, 3, 1}).reshape({grid.grid_sites(), features.size(1)});
  const at::Tensor removed = mask.to(rows.dtype()).reshape({-1, 1});
  at::Tensor decoded = proj_->forward(rows) * (1 - removed) + mask_token_.view({1, -1}) * removed;
  const at::Tensor all = at::ones({grid.batch, grid.height, grid.width}, at::kBool);
  grid = site_levels(all, {}, {true}, rows.device()).front();
  for (const auto& block : decoder_) {
    ready(block->parameters());
    const auto forward = [block, grid](const at::Tensor& in) { return block->forward(in, grid); };
    decoded = recomputing_ ? recompute(*block, forward, decoded) : forward(decoded);
  }
  return decoded;
}

std::vector<Mpmae::PreparedTarget> Mpmae::prepare_targets(const MpmaeBatch& batch,
                                                          const at::Tensor& removed) const {
  std::vector<PreparedTarget> prepared(config_.targets.size());
  std::vector<at::Tensor> valid;
  for (std::size_t i = 0; i < prepared.size(); ++i) {
    const MpmaeTarget& target = config_.targets[i];
    if (!batch.targets[i].defined()) continue;
    const bool real =
        target.kind == TargetKind::kContinuousPixel || target.kind == TargetKind::kContinuousImage;
    const at::Tensor raw = real ? batch.targets[i].to(mask_token_.dtype()) : batch.targets[i];
    const at::Tensor rows = target_rows(target, raw, config_.patch_size, removed, config_.missing);
    valid.push_back(any_valid(rows));
    prepared[i] = {fill_missing(target, rows, config_.missing), true};
  }
  if (config_.missing == MissingMode::kReference || valid.empty()) {
    return prepared;
  }
  const at::Tensor flags = at::stack(valid).cpu();  // one transfer for all targets
  const bool* flag = flags.const_data_ptr<bool>();
  for (PreparedTarget& target : prepared) {
    target.participates = target.participates && *flag++;
  }
  return prepared;
}

void Mpmae::set_gate(const Gate& gate) {
  gate_ = gate;
  encoder_->set_gate(gate);
}

void Mpmae::ready(const std::vector<at::Tensor>& parameters) const {
  if (gate_) gate_(parameters);
}

Mpmae::HeadInput Mpmae::head_input(const at::Tensor& rows) const {
  return {rows, rows.defined() ? parallel::enter(rows, group_) : rows};
}

at::Tensor Mpmae::predict(std::size_t target, const HeadInput& input) const {
  const std::int64_t outputs = outputs_of(config_.targets[target]);
  ready(heads_[target]->parameters());
  if (outputs < kWideHead) return widened(heads_[target]->forward(input.whole));
  return parallel::join_columns(widened(heads_[target]->forward(input.entered)), group_.part(outputs),
                                outputs, group_);
}

std::vector<at::Tensor> Mpmae::predict_all(const HeadInput& decoded, const HeadInput& pooled,
                                           const MpmaeBatch& batch) const {
  const std::int64_t height = batch.input.size(2) / config_.patch_size,
                     width = batch.input.size(3) / config_.patch_size;
  std::vector<at::Tensor> predictions;
  for (std::size_t i = 0; i < heads_.size(); ++i) {
    const bool pixel = config_.targets[i].is_pixel();
    const at::Tensor rows = predict(i, pixel ? decoded : pooled);
    predictions.push_back(pixel ? rows.view({batch.input.size(0), height, width, -1}).permute({0, 3, 1, 2})
                                : rows);
  }
  return predictions;
}

MpmaeOutput Mpmae::forward(const MpmaeBatch& batch, bool with_predictions) const {
  check_batch(config_, batch);
  const at::Tensor removed = batch.mask.reshape({-1}).nonzero().squeeze(1);
  const std::vector<PreparedTarget> targets = prepare_targets(batch, removed);
  const at::Tensor decoded = decode(encode(batch.input, batch.mask), batch.mask);
  if (image_norm_) ready(image_norm_->parameters());
  if (log_vars_.defined()) ready({log_vars_});
  const HeadInput pooled = head_input(
      image_norm_ ? image_norm_->forward(decoded).view({batch.input.size(0), -1, decoded.size(1)}).mean(1)
                  : at::Tensor());

  MpmaeOutput output;
  if (with_predictions) {
    output.predictions = predict_all(head_input(decoded), pooled, batch);
  }
  const HeadInput removed_rows = head_input(gather_rows(decoded, removed));
  std::vector<at::Tensor> losses;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const MpmaeTarget& target = config_.targets[i];
    output.participates.push_back(targets[i].participates);
    if (targets[i].participates) {
      const at::Tensor prediction = predict(i, target.is_pixel() ? removed_rows : pooled);
      losses.push_back(target_loss(target, prediction, targets[i].rows,
                                   config_.norm_pix && target.reflectance, config_.missing));
    } else {
      losses.push_back(at::zeros({}, decoded.options()));
    }
  }
  output.losses = at::stack(losses);
  std::vector<double> weights;
  for (const MpmaeTarget& target : config_.targets) weights.push_back(target.weight);
  const bool weighted = std::any_of(weights.begin(), weights.end(), [](double w) { return w != 1; });
  Aggregated sum = aggregate(output.losses, log_vars_,
                             weighted ? at::tensor(weights, output.losses.options()) : at::Tensor());
  output.weighted = std::move(sum.weighted);
  output.total = std::move(sum.total);
  return output;
}

}  // namespace terramill::model
