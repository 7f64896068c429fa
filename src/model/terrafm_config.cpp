#include <terramill/core/error.hpp>
#include <terramill/core/options.hpp>
#include <terramill/model/terrafm_config.hpp>

#include <algorithm>
#include <utility>

#include <torch/torch.h>

namespace terramill::model {
namespace {

constexpr std::array<std::string_view, kSensors> kSensorNames{"s1", "s2_l2a", "s2_l1c"};

struct SizeRow {
  std::string_view name;
  std::int64_t embed_dim, depth, heads;
};
constexpr std::array<SizeRow, 3> kSizes{
    {{"small", 384, 12, 6}, {"base", 768, 12, 12}, {"large", 1024, 24, 16}}};

void demand(bool holds, const std::string& message) {
  if (!holds) {
    throw UsageError(message, {"configure TerraFM", "", "see [model] in the configuration"});
  }
}

[[noreturn]] void refuse_name(const std::string& what, const std::string& name,
                              const std::vector<std::string>& known) {
  std::string all;
  for (const std::string& word : known) {
    all += (all.empty() ? "" : ", ") + word;
  }
  const auto close = nearest(name, known);
  throw UsageError("there is no " + what + " \"" + name + "\"",
                   {"configure TerraFM", name,
                    (close ? "did you mean " + *close + "? " : std::string()) + "known are " + all});
}

}  // namespace

std::string_view name_of(Sensor sensor) noexcept { return kSensorNames[static_cast<std::size_t>(sensor)]; }

Sensor sensor_from(std::string_view name) {
  const auto* found = std::ranges::find(kSensorNames, name);
  if (found == kSensorNames.end()) {
    refuse_name("sensor", std::string(name), {kSensorNames.begin(), kSensorNames.end()});
  }
  return static_cast<Sensor>(found - kSensorNames.begin());
}

TerrafmConfig terrafm_size(const std::string& name) {
  const auto* row = std::ranges::find(kSizes, name, &SizeRow::name);
  if (row == kSizes.end()) {
    std::vector<std::string> known;
    for (const SizeRow& size : kSizes) {
      known.emplace_back(size.name);
    }
    refuse_name("encoder size", name, known);
  }
  TerrafmConfig config;
  config.embed_dim = row->embed_dim;
  config.depth = row->depth;
  config.heads = row->heads;
  return config;
}

void check(const TerrafmConfig& config) {
  demand(config.patch_size >= 1 && config.image_size >= config.patch_size &&
             config.image_size % config.patch_size == 0,
         "an image of " + std::to_string(config.image_size) + " pixels is not a whole number of patches of " +
             std::to_string(config.patch_size));
  demand(config.depth >= 1, "the encoder needs at least one block");
  demand(config.embed_dim >= 1 && config.heads >= 1 && config.embed_dim % config.heads == 0,
         std::to_string(config.heads) + " heads do not divide the width " + std::to_string(config.embed_dim));
  demand(config.mlp_ratio * static_cast<double>(config.embed_dim) >= 1, "the MLP has no hidden unit");
  demand(config.drop_path >= 0 && config.drop_path < 1, "the drop-path rate is not in [0, 1)");
  demand(config.fusion_queries >= 0, "the number of fusion queries is negative");
  demand(config.fusion_queries == 0 ||
             (config.fusion_heads >= 1 && config.attn_dim() % config.fusion_heads == 0),
         std::to_string(config.fusion_heads) + " fusion heads do not divide the stems' width " +
             std::to_string(config.attn_dim()));
}

std::vector<double> drop_path_rates(const TerrafmConfig& config) {
  const at::Tensor rates = at::linspace(0, config.drop_path, config.depth, at::kFloat);
  const auto* values = rates.const_data_ptr<float>();
  return {values, values + config.depth};
}

}  // namespace terramill::model
