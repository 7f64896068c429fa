#include <terramill/core/error.hpp>
#include <terramill/train/pretrain_config.hpp>
#include <terramill/train/recipe_options.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <sstream>
#include <string_view>

namespace terramill::train {

namespace {

/// Whether an option says where or how, not what: free to change between sessions of one run.
bool is_operational(std::string_view option) {
  static constexpr std::array<std::string_view, 4> kSections = {"checkpoint.", "fault.", "trace.",
                                                                "straggler."};
  // clang-format off
  static const std::set<std::string_view> kOptions = {
      "config", "corpus", "output", "resume", "init-from", "inject", "json", "print-config", "help", "trace",
      "train.activation_checkpointing", "train.bucket", "train.collective_timeout", "train.deterministic",
      "train.device", "train.flight_recorder", "train.ignore_memory_estimate", "train.intra_op_threads",
      "train.knn_every", "train.knn_tiles", "train.nan_check", "train.peak", "train.reduction", "train.stop_after",
      "train.tp", "train.validate_every", "train.zero",
      "loader.max_bad_rate", "loader.open_shards", "loader.prefetch", "loader.threads", "loader.verify"};
  // clang-format on
  const auto begins = [&](std::string_view section) { return option.starts_with(section); };
  return kOptions.contains(option) || std::ranges::any_of(kSections, begins);
}

}  // namespace

std::int64_t CheckpointOptions::every_steps() const {
  if (automatic()) return 0;
  std::int64_t steps = 0;
  const char* end = every.data() + every.size();
  const auto [rest, fault] = std::from_chars(every.data(), end, steps);
  if (fault != std::errc() || rest != end || steps < 0) {
    throw UsageError("checkpoint.every must be a number of steps, 0 or more, or auto",
                     {"check the configuration", "checkpoint.every", "it is \"" + every + "\""});
  }
  return steps;
}

PretrainConfig defaults_of(const std::string& family) {
  PretrainConfig config;
  if (family == "mpmae") return config;
  if (family != "terrafm") {
    throw UsageError("\"" + family + "\" is no kind of model",
                     {"read the configuration", "model.family", "give mpmae or terrafm"});
  }
  config.model.family = family;
  config.model.size = "base";
  config.model.image_size = 224;
  config.model.patch_size = 16;
  TrainOptions& t = config.train;
  t.micro_batches = 64;
  t.epochs = 150;
  t.warmup_epochs = 10;
  t.base_lr = 5e-4;
  t.min_lr = 1e-6;
  t.beta2 = 0.999;
  t.weight_decay = 0.04;
  return config;
}

std::string family_of(const std::vector<std::string>& arguments) {
  PretrainConfig config;
  OptionTable table = pretrain_options(config);
  std::ostringstream nowhere;
  table.parse(arguments, nowhere);
  return config.model.family;
}

PretrainConfig recorded_config(const std::filesystem::path& run) {
  const std::vector<std::string> arguments{"--config", (run / "config.ini").string()};
  PretrainConfig config = defaults_of(family_of(arguments));
  OptionTable table = pretrain_options(config);
  std::ostringstream nowhere;
  table.parse(arguments, nowhere);
  config.output = run;
  return config;
}

std::vector<std::pair<std::string, std::string>> hyper_parameters(const OptionTable& table) {
  static const std::set<std::string> shared = {"model.family", "model.size", "model.image_size",
                                               "model.patch_size"};
  std::vector<std::pair<std::string, std::string>> all = table.values(), result;
  const auto family =
      std::find_if(all.begin(), all.end(), [](const auto& entry) { return entry.first == "model.family"; });
  const bool terrafm = family != all.end() && family->second == "terrafm";
  for (auto& entry : all) {
    const std::string& name = entry.first;
    const bool of_terrafm = name.starts_with("terrafm.") || name.starts_with("dino.");
    const bool of_mpmae = (name.starts_with("model.") && !shared.contains(name)) ||
                          name.starts_with("target.") || name.starts_with("weight.");
    if (is_operational(name) || (terrafm ? of_mpmae : of_terrafm)) continue;
    result.push_back(std::move(entry));
  }
  return result;
}

}  // namespace terramill::train
