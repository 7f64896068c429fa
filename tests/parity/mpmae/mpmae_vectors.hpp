#pragma once

#include <terramill/model/mpmae.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <parity/vectors.hpp>

namespace terramill::parity {

inline model::Aggregation aggregation_of(const Json& config) {
  return config.at("loss_aggregation") == "uncertainty" ? model::Aggregation::kUncertainty
                                                        : model::Aggregation::kUnweighted;
}

/// The official targets in config.loss_order, with config.output_channels; all of them where the config names
/// none.
inline std::vector<model::MpmaeTarget> targets_of(const Json& config) {
  if (!config.contains("loss_order")) return model::mmearth_targets();
  auto targets = model::select_targets(model::mmearth_targets(),
                                       config.at("loss_order").get<std::vector<std::string>>());
  for (auto& target : targets) {
    target.channels = config.at("output_channels").at(target.name).get<std::int64_t>();
  }
  return targets;
}

/// The model that a manifest entry's config describes.
inline model::MpmaeConfig model_config(const Json& config) {
  model::MpmaeConfig described;
  described.size = {config.at("depths").get<std::vector<std::int64_t>>(),
                    config.at("dims").get<std::vector<std::int64_t>>()};
  described.in_channels = config.value("in_channels", described.in_channels);
  described.patch_size = config.at("patch_size").get<std::int64_t>();
  described.use_orig_stem = config.value("use_orig_stem", false);
  described.decoder_width = config.at("decoder_width").get<std::int64_t>();
  described.decoder_depth = config.value("decoder_depth", described.decoder_depth);
  described.norm_pix = config.value("norm_pix_loss", true);
  if (config.contains("loss_aggregation")) described.aggregation = aggregation_of(config);
  described.targets = targets_of(config);
  return described;
}

/// Names of the parameters in their order.
inline std::vector<std::string> parameter_names(const model::Mpmae& net) {
  return net.named_parameters().keys();
}

/// A model of `config` with param.* of `parameters`. Every parameter must be in the file and, but for those
/// that the config says get no gradient, the other way round; a disagreement is a FormatError.
inline std::unique_ptr<model::Mpmae> load_model(const model::MpmaeConfig& config, const Vectors& parameters) {
  auto net = std::make_unique<model::Mpmae>(config);
  net->to(test_device(), parameters.dtype());
  const torch::NoGradGuard no_gradient;
  const auto own = net->named_parameters();
  for (const auto& parameter : own) {
    const at::Tensor stored = parameters.real("param." + parameter.key());
    if (stored.sizes() != parameter.value().sizes()) {
      throw FormatError("the parameter has another shape", {"load vectors", parameter.key(), ""});
    }
    parameter.value().copy_(stored);
  }
  const auto unused = parameters.config().value("parameters_without_gradient", std::vector<std::string>{});
  for (const std::string& name : parameters.names("param.")) {
    const std::string bare = name.substr(std::string("param.").size());
    if (own.find(bare) == nullptr && std::ranges::find(unused, bare) == unused.end()) {
      throw FormatError("the model has no such parameter", {"load vectors", bare, ""});
    }
  }
  return net;
}

/// The micro-batch stored as <prefix>.<modality>, with the given mask.
inline model::MpmaeBatch load_batch(const model::MpmaeConfig& config, const Vectors& vectors,
                                    const std::string& prefix, const at::Tensor& mask) {
  model::MpmaeBatch batch;
  for (const auto& target : config.targets) {
    const at::Tensor stored = vectors.raw(prefix + "." + target.name);
    batch.targets.push_back(stored.is_floating_point() ? stored.to(vectors.dtype()) : stored.to(at::kLong));
  }
  batch.input = vectors.real(prefix + ".sentinel2");
  batch.mask = mask;
  return batch;
}

}  // namespace terramill::parity
