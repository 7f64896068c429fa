#include "patch_fusion.hpp"

#include <terramill/core/error.hpp>
#include <terramill/model/precision.hpp>

#include <cmath>
#include <limits>
#include <string>

#include <torch/torch.h>

namespace terramill::model {
namespace {

constexpr double kProjectionNormEpsilon = 1e-5;  // terrafm.py leaves it at torch.nn's default
/// The order of the official state dict.
constexpr std::array<Sensor, kSensors> kStateOrder{Sensor::kS2L2a, Sensor::kS2L1c, Sensor::kS1};

struct FusionKey : SplitModule {
  FusionKey(std::int64_t width, const parallel::TensorGroup& group)
      : weight(register_part("weight", {width, width}, 1, {group.part(width)})) {}
  at::Tensor weight;
};

at::Tensor join(const std::vector<at::Tensor>& parts) {
  return parts.size() == 1 ? parts[0] : at::cat(parts);
}

}  // namespace

PatchStem::PatchStem(std::int64_t bands, std::int64_t width, std::int64_t patch_size,
                     const parallel::TensorGroup& group)
    : weight_(register_part("weight", {width, bands, patch_size, patch_size}, 0, {group.part(width)})),
      bias_(register_part("bias", {width}, 0, {group.part(width)})) {}

at::Tensor PatchStem::forward(const at::Tensor& images) const {
  const std::int64_t batch = images.size(0), bands = images.size(1), patch = weight_.size(2);
  const std::int64_t rows = images.size(2) / patch, columns = images.size(3) / patch;
  const at::Tensor patches = images.narrow(2, 0, rows * patch)
                                 .narrow(3, 0, columns * patch)
                                 .reshape({batch, bands, rows, patch, columns, patch})
                                 .permute({0, 2, 4, 1, 3, 5})
                                 .reshape({batch, rows * columns, bands * patch * patch});
  return at::linear(patches, weight_.flatten(1), bias_);
}

TokenProjection::TokenProjection(std::int64_t width, std::int64_t out, const parallel::TensorGroup& group) {
  const auto add = [&](const std::string& name, std::int64_t outputs, bool with_bias, Split split) {
    return register_module(name, std::make_shared<Linear>(width, outputs, /*convolution=*/false, with_bias,
                                                          Splitting{split, group, 0, 1, false}));
  };
  proj1 = add("proj1", width, false, Split::kRow);
  norm_input = register_module("norm_input", std::make_shared<Norm>(width, kProjectionNormEpsilon));
  proj2 = add("proj2", width, true, Split::kColumn);
  proj3 = add("proj3", out, true, Split::kRow);
}

SensorFusion::SensorFusion(const TerrafmConfig& config, const parallel::TensorGroup& group)
    : heads_(config.fusion_heads),
      queries_(config.fusion_queries),
      width_(config.attn_dim()),
      norm_before_pool_(config.norm_before_pool),
      group_(group),
      query_(register_parameter("query", torch::zeros({1, queries_, width_}))),
      pool_(register_parameter("pool", torch::zeros({width_, 1}))) {
  has_partial_gradient("query", query_, group);
  key_ = register_module("key", std::make_shared<FusionKey>(width_, group))->weight;
}

at::Tensor SensorFusion::scores(const at::Tensor& tokens) const {
  // q · (W x) = (Wᵀ q) · x: one row per head and query instead of a key per token.
  const std::int64_t head_width = width_ / heads_;
  const at::Tensor query = query_.view({queries_, heads_, head_width}).transpose(0, 1);
  const at::Tensor rows = at::bmm(query, key_.view({heads_, head_width, -1}));
  return parallel::leave(at::linear(tokens, rows.view({heads_ * queries_, -1})), group_) /
         std::sqrt(static_cast<double>(head_width));
}

at::Tensor SensorFusion::forward(const std::vector<at::Tensor>& scores, const std::vector<at::Tensor>& values,
                                 const at::Tensor& absent, const Norm& norm_input,
                                 TerrafmTrace* trace) const {
  const std::int64_t batch = values[0].size(0), positions = values[0].size(1);
  const auto sensors = static_cast<std::int64_t>(values.size());
  at::Tensor logits = at::stack(scores, -1).view({batch, positions, heads_, queries_, sensors});
  if (absent.defined()) {
    logits =
        logits.masked_fill(absent.view({batch, 1, 1, 1, sensors}), -std::numeric_limits<double>::infinity());
  }
  const at::Tensor attention = widened(logits).softmax(-1).flatten(0, 1);
  const at::Tensor value =
      at::stack(values, 2).view({batch * positions, sensors, heads_, width_ / heads_}).transpose(1, 2);
  at::Tensor attended = at::matmul(attention, value).transpose(1, 2).reshape({-1, queries_, width_});
  if (norm_before_pool_) {
    attended = norm_input.forward(attended);
  }
  const at::Tensor weights = widened(at::matmul(attended, pool_)).softmax(1);
  at::Tensor fused = at::matmul(weights.transpose(1, 2), attended).view({batch, positions, width_});
  if (!norm_before_pool_) {
    fused = norm_input.forward(fused);
  }
  if (trace != nullptr) {
    trace->fusion_attention = attention;
    trace->fusion_values = attended;
    trace->fusion_weights = weights;
    trace->fused = fused;
  }
  return fused;
}

PatchEmbed::PatchEmbed(const TerrafmConfig& config, const parallel::TensorGroup& group)
    : patch_size_(config.patch_size), group_(group) {
  const std::int64_t width = config.attn_dim();
  for (const Sensor sensor : kStateOrder) {
    embeddings_[static_cast<std::size_t>(sensor)] =
        register_part(std::string(name_of(sensor)) + "_embed", {1, width}, 1, {group.part(width)});
  }
  for (const Sensor sensor : kStateOrder) {
    const auto s = static_cast<std::size_t>(sensor);
    stems_[s] = register_module("conv2d_" + std::string(name_of(sensor)),
                                std::make_shared<PatchStem>(kSensorBands[s], width, patch_size_, group));
  }
  projection_ =
      register_module("projection", std::make_shared<TokenProjection>(width, config.embed_dim, group));
  if (config.fusion_queries > 0) {
    fusion_ = register_module("fusion", std::make_shared<SensorFusion>(config, group));
  }
}

at::Tensor PatchEmbed::embed(const SensorImages& images, const SensorRoutes& routes, const SensorRoute& route,
                             TerrafmTrace* trace) const {
  const auto s = static_cast<std::size_t>(route.sensor);
  const at::Tensor tokens = stems_[s]->forward(route.samples.take(images.images[s]));
  if (trace != nullptr) {
    trace->convolved[s] = tokens.transpose(1, 2).reshape(
        {tokens.size(0), -1, routes.height / patch_size_, routes.width / patch_size_});
  }
  return tokens + embeddings_[s];
}

at::Tensor PatchEmbed::forward(const SensorImages& images, const SensorRoutes& routes,
                               TerrafmTrace* trace) const {
  const std::int64_t several = routes.joint_samples;
  if (several > 0 && !fusion_) {
    throw UsageError("a sample has several sensors, but the encoder has no fusion",
                     {"encode images", "", "set fusion_queries above 0, or give each sample one sensor"});
  }
  std::vector<at::Tensor> alone, scores, values, parts;
  for (const SensorRoute& route : routes.sensors) {
    const at::Tensor tokens = embed(images, routes, route, trace);
    const at::Tensor value = projection_->proj1->forward(tokens);
    if (route.alone.count > 0) {
      alone.push_back(route.alone.take(value));
    }
    if (several > 0) {
      scores.push_back(route.joint_rows.place(fusion_->scores(route.joint.take(tokens)), several));
      values.push_back(route.joint_rows.place(route.joint.take(value), several));
    }
  }
  if (!alone.empty()) {
    const at::Tensor value = join(alone);
    parts.push_back(projection_->norm_input->forward(value));
    if (trace != nullptr) {
      trace->proj1 = value;
      trace->norm_input = parts.back();
    }
  }
  if (several > 0) {
    parts.push_back(fusion_->forward(scores, values, routes.absent, *projection_->norm_input, trace));
  }
  const at::Tensor projected =
      projection_->proj2->forward(parallel::enter(routes.order.take(join(parts)), group_));
  at::Tensor out = projection_->proj3->forward(projected);
  if (trace != nullptr) {
    trace->proj2 = projected;
    trace->proj3 = out;
  }
  return out;
}

}  // namespace terramill::model
