#include <terramill/core/error.hpp>
#include <terramill/model/dino.hpp>
#include <terramill/model/init.hpp>
#include <terramill/model/layers.hpp>
#include <terramill/model/precision.hpp>

#include <cmath>
#include <string>

#include <torch/torch.h>

namespace terramill::model {
namespace {

constexpr double kNormaliseEpsilon = 1e-12;
constexpr double kMlpSpread = 0.02;

Distribution distribution(const std::string& name, const DinoHeadConfig& config) {
  using Kind = Distribution::Kind;
  if (name == "last_layer.weight_g") {
    return {Kind::kConstant, 1};
  }
  if (name == "last_layer.weight_v") {
    return {Kind::kUniform, 1 / std::sqrt(static_cast<double>(config.bottleneck_dim))};
  }
  return name.ends_with(".bias") ? Distribution{Kind::kConstant, 0}
                                 : Distribution{Kind::kTruncNormal, kMlpSpread};
}

}  // namespace

struct DinoHead::Parts {
  std::shared_ptr<Linear> first, second, third;
  at::Tensor weight_g, weight_v;  // [K, 1], [K, bottleneck]
};

DinoHead::DinoHead(DinoHeadConfig config) : config_(config), parts_(std::make_shared<Parts>()) {
  if (std::min({config_.in_dim, config_.hidden_dim, config_.bottleneck_dim, config_.out_dim}) < 1) {
    throw UsageError("a width of the head is not positive",
                     {"configure the DINO head", "", "see [model] in the configuration"});
  }
  const auto mlp = register_module("mlp", std::make_shared<torch::nn::Module>());
  const auto add_linear = [&](const std::string& name, std::int64_t in, std::int64_t out) {
    return mlp->register_module(name, std::make_shared<Linear>(in, out));
  };
  parts_->first = add_linear("0", config_.in_dim, config_.hidden_dim);
  parts_->second = add_linear("2", config_.hidden_dim, config_.hidden_dim);
  parts_->third = add_linear("4", config_.hidden_dim, config_.bottleneck_dim);
  const auto last = register_module("last_layer", std::make_shared<torch::nn::Module>());
  parts_->weight_g =
      last->register_parameter("weight_g", torch::ones({config_.out_dim, 1}), !config_.norm_last_layer);
  parts_->weight_v =
      last->register_parameter("weight_v", torch::zeros({config_.out_dim, config_.bottleneck_dim}));
}

void DinoHead::initialise(std::uint64_t seed, const std::string& prefix) {
  for (const auto& parameter : named_parameters()) {
    draw_parameter(parameter.value(), prefix + parameter.key(), distribution(parameter.key(), config_), seed);
  }
}

at::Tensor DinoHead::bottleneck(const at::Tensor& features) const {
  const at::Tensor hidden = at::gelu(parts_->first->forward(features));
  return parts_->third->forward(at::gelu(parts_->second->forward(hidden)));
}

at::Tensor DinoHead::forward(const at::Tensor& features) const {
  const at::Tensor low = widened(bottleneck(features));
  const Bfloat16Scope exact(low.device().type(), false);  // what the losses' softmax magnifies
  const at::Tensor direction = low / low.norm(2, {1}, /*keepdim=*/true).clamp_min(kNormaliseEpsilon);
  const at::Tensor& raw = parts_->weight_v;
  const at::Tensor prototypes = raw * (parts_->weight_g / raw.norm(2, {1}, /*keepdim=*/true));
  return at::linear(direction, prototypes);
}

}  // namespace terramill::model
