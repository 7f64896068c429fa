#include <terramill/core/error.hpp>
#include <terramill/core/options.hpp>
#include <terramill/model/mpmae_config.hpp>

#include <algorithm>
#include <set>

namespace terramill::model {
namespace {

struct SizeRow {
  const char* name;
  std::array<std::int64_t, 4> depths;
  std::int64_t width;  // of stage 0; each later stage doubles it
};
constexpr std::array<SizeRow, 8> kSizes{{{"atto", {2, 2, 6, 2}, 40},
                                         {"femto", {2, 2, 6, 2}, 48},
                                         {"pico", {2, 2, 6, 2}, 64},
                                         {"nano", {2, 2, 8, 2}, 80},
                                         {"tiny", {3, 3, 9, 3}, 96},
                                         {"base", {3, 3, 27, 3}, 128},
                                         {"large", {3, 3, 27, 3}, 192},
                                         {"huge", {3, 3, 27, 3}, 352}}};

constexpr std::size_t kStages = 4;
constexpr std::int64_t kPatchUnit = 8;

constexpr std::array<const char*, 10> kDecoderParameters{
    "dwconv.weight", "dwconv.bias", "norm.weight", "norm.bias",      "pwconv1.weight",
    "pwconv1.bias",  "grn.gamma",   "grn.beta",    "pwconv2.weight", "pwconv2.bias"};

void demand(bool holds, const std::string& message) {
  if (!holds) {
    throw UsageError(message, {"configure MP-MAE", "", "see [model] in the configuration"});
  }
}

std::string nearest_advice(const std::string& name, const std::vector<std::string>& known) {
  const auto close = nearest(name, known);
  std::string all;
  for (const std::string& word : known) {
    all += (all.empty() ? "" : ", ") + word;
  }
  const std::string hint = close ? "did you mean " + *close + "? " : std::string();
  return hint + "known are " + all;
}

}  // namespace

std::vector<std::string> encoder_size_names() {
  std::vector<std::string> names;
  for (const SizeRow& row : kSizes) {
    names.emplace_back(row.name);
  }
  return names;
}

EncoderSize encoder_size(const std::string& name) {
  const auto* row = std::ranges::find_if(kSizes, [&](const SizeRow& size) { return name == size.name; });
  if (row == kSizes.end()) {
    throw UsageError("there is no encoder size \"" + name + "\"",
                     {"configure MP-MAE", name, nearest_advice(name, encoder_size_names())});
  }
  EncoderSize size{{row->depths.begin(), row->depths.end()}, {}};
  for (std::size_t stage = 0; stage < kStages; ++stage) {
    size.dims.push_back(row->width << stage);
  }
  return size;
}

void check(const MpmaeConfig& config) {
  demand(config.size.depths.size() == kStages && config.size.dims.size() == kStages,
         "the encoder needs four stages: four depths and four channel counts");
  demand(std::ranges::min(config.size.depths) >= 0 && std::ranges::min(config.size.dims) >= 1,
         "depths must be at least 0 and channel counts at least 1");
  demand(config.in_channels >= 1, "the input needs at least one band");
  demand(config.patch_size >= kPatchUnit && config.patch_size % kPatchUnit == 0,
         "the patch size, " + std::to_string(config.patch_size) + ", is not a multiple of 8");
  demand(config.decoder_width >= 1 && config.decoder_depth >= 0,
         "the decoder's width or depth is impossible");
  demand(!config.targets.empty(), "there is no target to reconstruct");
  std::set<std::string> names;
  for (const MpmaeTarget& target : config.targets) {
    demand(!target.name.empty() && target.name.find('.') == std::string::npos && target.channels >= 1,
           "the target \"" + target.name + "\" has an impossible name or channel count");
    demand(names.insert(target.name).second, "the target \"" + target.name + "\" is listed twice");
  }
}

std::vector<MpmaeTarget> mmearth_targets() {
  using enum TargetKind;
  return {{"sentinel2", kContinuousPixel, 12, true},
          {"sentinel1", kContinuousPixel, 8},
          {"aster", kContinuousPixel, 2},
          {"era5", kContinuousImage, 12},
          {"dynamic_world", kCategoricalPixel, 9},
          {"canopy_height_eth", kContinuousPixel, 2},
          {"lat", kContinuousImage, 2},
          {"lon", kContinuousImage, 2},
          {"biome", kCategoricalImage, 14},
          {"eco_region", kCategoricalImage, 846},
          {"month", kContinuousImage, 2},
          {"esa_worldcover", kCategoricalPixel, 11}};
}

std::vector<MpmaeTarget> majortom_targets() {
  using enum TargetKind;
  return {{"s2_l1c", kContinuousPixel, 13, true},
          {"s2_l2a", kContinuousPixel, 12, true},
          {"s1_rtc", kContinuousPixel, 2},
          {"dem", kContinuousPixel, 1},
          {"land_cover", kCategoricalPixel, 11}};
}

std::vector<MpmaeTarget> select_targets(const std::vector<MpmaeTarget>& available,
                                        const std::vector<std::string>& names) {
  std::vector<std::string> known;
  for (const MpmaeTarget& target : available) {
    known.push_back(target.name);
  }
  std::vector<MpmaeTarget> chosen;
  for (const std::string& name : names) {
    const auto target = std::ranges::find(available, name, &MpmaeTarget::name);
    if (target == available.end()) {
      throw UsageError("there is no target \"" + name + "\"",
                       {"configure MP-MAE", name, nearest_advice(name, known)});
    }
    chosen.push_back(*target);
  }
  return chosen;
}

std::vector<std::pair<std::string, std::string>> shared_parameter_aliases(const MpmaeConfig& config) {
  std::vector<std::pair<std::string, std::string>> aliases;
  for (std::size_t i = 1; i < config.targets.size(); ++i) {
    for (std::int64_t block = 0; block < config.decoder_depth; ++block) {
      for (const char* parameter : kDecoderParameters) {
        const auto name_under = [&](const MpmaeTarget& target) {
          return "decoder_dict." + target.name + "." + std::to_string(block) + "." + parameter;
        };
        aliases.emplace_back(name_under(config.targets[i]), name_under(config.targets[0]));
      }
    }
  }
  return aliases;
}

bool takes_weight_decay(std::string_view name, std::int64_t dimensions) noexcept {
  return dimensions > 1 && !name.ends_with(".bias");
}

}  // namespace terramill::model
