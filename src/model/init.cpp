#include <terramill/core/hash.hpp>
#include <terramill/core/philox.hpp>
#include <terramill/model/init.hpp>

#include <algorithm>
#include <cmath>

#include <torch/torch.h>

namespace terramill::model {
namespace {

constexpr std::int64_t kBlock = 4096;
constexpr double kTruncation = 2;
constexpr double kSmall = 0.02;

double draw(PhiloxStream& stream, const Distribution& distribution) {
  if (distribution.kind == Distribution::Kind::kUniform) {
    return stream.uniform(-distribution.value, distribution.value);
  }
  double value = 0;
  do {
    value = distribution.value * stream.normal();
  } while (distribution.kind == Distribution::Kind::kTruncNormal && std::abs(value) > kTruncation);
  return value;
}

}  // namespace

Distribution mpmae_distribution(std::string_view name, std::int64_t dimensions) {
  using Kind = Distribution::Kind;
  if (name == "mask_token") {
    return {Kind::kNormal, kSmall};
  }
  if (name.ends_with(".kernel")) {
    const bool depthwise = name.ends_with(".dwconv.kernel") || name.ends_with(".stem.0.kernel");
    return {Kind::kTruncNormal, depthwise ? 1 : kSmall};
  }
  if (name.ends_with(".weight") && dimensions > 1) {
    const bool wide = dimensions == 4 || name.ends_with(".linear.weight");
    return {Kind::kTruncNormal, wide ? 1 : kSmall};
  }
  // One-dimensional weights belong to norms; biases, GRN's gamma and beta, and log_vars begin at 0.
  return {Kind::kConstant, name.ends_with(".weight") ? 1.0 : 0.0};
}

Distribution terrafm_distribution(std::string_view name, const TerrafmConfig& config) {
  using Kind = Distribution::Kind;
  constexpr std::string_view kStem = "patch_embed.conv2d_";
  if (name.starts_with(kStem)) {
    const Sensor sensor = sensor_from(std::string(name.substr(kStem.size(), name.rfind('.') - kStem.size())));
    const std::int64_t fan_in =
        kSensorBands[static_cast<std::size_t>(sensor)] * config.patch_size * config.patch_size;
    return {Kind::kUniform, 1 / std::sqrt(static_cast<double>(fan_in))};
  }
  const bool zero = name.ends_with(".bias") || name == "patch_embed.fusion.pool" ||
                    (name.starts_with("patch_embed.") && name.ends_with("_embed"));
  if (zero) {
    return {Kind::kConstant, 0};
  }
  if (name.ends_with(".weight") && name.find("norm") != std::string_view::npos) {
    return {Kind::kConstant, 1};
  }
  return {Kind::kTruncNormal, kSmall};
}

void draw_parameter(at::Tensor parameter, const std::string& name, const Distribution& distribution,
                    std::uint64_t seed, const parallel::Placement* placement) {
  const torch::NoGradGuard no_gradient;
  if (distribution.kind == Distribution::Kind::kConstant) {
    parameter.fill_(distribution.value);
    return;
  }
  const bool part = placement != nullptr && placement->split();
  const at::Tensor values =
      at::empty(part ? at::IntArrayRef(placement->shape) : parameter.sizes(), at::kDouble);
  auto* out = values.mutable_data_ptr<double>();
  const std::uint64_t key = xxh3(name);
  for (std::int64_t begin = 0; begin < values.numel(); begin += kBlock) {
    PhiloxStream stream(seed, Purpose::kInitialisation, key, static_cast<std::uint64_t>(begin / kBlock));
    std::generate(out + begin, out + std::min(begin + kBlock, values.numel()),
                  [&] { return draw(stream, distribution); });
  }
  parameter.copy_(part ? placement->part_of(values) : values);
}

}  // namespace terramill::model
