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

/// The parameters of the weight-normalised last layer.
struct Prototypes : SplitModule {
  Prototypes(const DinoHeadConfig& config, const parallel::TensorGroup& group) {
    const auto add = [&](const std::string& name, std::int64_t width) {
      return register_part(name, {config.out_dim, width}, 0, {group.part(config.out_dim)});
    };
    weight_g = add("weight_g", 1);
    weight_g.requires_grad_(false).fill_(1).requires_grad_(!config.norm_last_layer);
    weight_v = add("weight_v", config.bottleneck_dim);
  }
  at::Tensor weight_g, weight_v;
};

}  // namespace

struct DinoHead::Parts {
  std::shared_ptr<Linear> first, second, third;
  at::Tensor weight_g, weight_v;  // [K, 1], [K, bottleneck]
};

DinoHead::DinoHead(DinoHeadConfig config, const parallel::TensorGroup& group)
    : config_(config), group_(group), parts_(std::make_shared<Parts>()) {
  if (std::min({config_.in_dim, config_.hidden_dim, config_.bottleneck_dim, config_.out_dim}) < 1) {
    throw UsageError("a width of the head is not positive",
                     {"configure the DINO head", "", "see [model] in the configuration"});
  }
  const auto mlp = register_module("mlp", std::make_shared<torch::nn::Module>());
  const auto add_linear = [&](const std::string& name, std::int64_t in, std::int64_t out, Split split) {
    return mlp->register_module(
        name, std::make_shared<Linear>(in, out, false, true, Splitting{split, group, 0, 1, false}));
  };
  parts_->first = add_linear("0", config_.in_dim, config_.hidden_dim, Split::kColumn);
  parts_->second = add_linear("2", config_.hidden_dim, config_.hidden_dim, Split::kRow);
  parts_->third = add_linear("4", config_.hidden_dim, config_.bottleneck_dim, Split::kNone);
  const auto last = register_module("last_layer", std::make_shared<Prototypes>(config_, group));
  parts_->weight_g = last->weight_g;
  parts_->weight_v = last->weight_v;
}

void DinoHead::initialise(std::uint64_t seed, const std::string& prefix) {
  const parallel::Placements placements = placements_of(*this);
  for (const auto& parameter : named_parameters()) {
    draw_parameter(parameter.value(), prefix + parameter.key(), distribution(parameter.key(), config_), seed,
                   parallel::find(placements, parameter.key()));
  }
}

at::Tensor DinoHead::bottleneck(const at::Tensor& features) const {
  if (gate_) gate_(parameters());
  const at::Tensor hidden = at::gelu(parts_->first->forward(parallel::enter(features, group_)));
  return parts_->third->forward(at::gelu(parts_->second->forward(hidden)));
}

at::Tensor DinoHead::forward(const at::Tensor& features) const {
  const at::Tensor low = widened(bottleneck(features));
  const Bfloat16Scope exact(low.device().type(), false);  // what the losses' softmax magnifies
  const at::Tensor direction = low / low.norm(2, {1}, /*keepdim=*/true).clamp_min(kNormaliseEpsilon);
  const at::Tensor& raw = parts_->weight_v;
  const at::Tensor prototypes = raw * (parts_->weight_g / raw.norm(2, {1}, /*keepdim=*/true));
  return at::linear(parallel::enter(direction, group_), prototypes);
}

}  // namespace terramill::model
