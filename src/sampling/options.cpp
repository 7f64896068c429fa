#include <terramill/core/error.hpp>
#include <terramill/sampling/plan.hpp>

#include <algorithm>

namespace terramill::sampling {

void add_options(OptionTable& table, SamplingOptions& options, const std::string& prefix) {
  const auto name = [&](std::string member) {
    if (prefix.empty()) std::replace(member.begin(), member.end(), '_', '-');
    return prefix + member;
  };
  table.add(name("strategy"), &options.strategy,
            "how tiles are drawn: natural, or balanced by dominant land cover", "", {"natural", "landcover"});
  table.add(name("balance_exponent"), &options.balance_exponent,
            "a stratum of frequency f gets a share proportional to f to this power: 0 equal, 1 natural");
  table.add(name("biome_strata"), &options.biome_strata, "strata are dominant class x biome");
  table.add(name("tiles"), &options.tiles, "tiles of an epoch; 0: as many as are eligible", "tiles");
  table.add(name("split"), &options.split, "only tiles of this split", "",
            {"train", "validation", "test", "all"});
  table.add(name("modalities"), &options.modalities,
            "only tiles that have all of these, separated by commas");
  table.add(name("max_repeats"), &options.max_repeats,
            "refuse a plan that takes a tile more often than this; 0: no limit");
  table.add(name("shuffle_window"), &options.shuffle_window,
            "shards, permuted, whose tiles are shuffled together; 0: all", "shards");
  table.add(name("reserve_share"), &options.reserve_share,
            "reserve tiles per tile, for those that prove unreadable (at least 16, unless 0)");
  table.add(name("seed"), &options.seed, "seed of selection and shuffle");
}

void validate(const SamplingOptions& options, const corpus::Schema& schema) {
  const auto refuse = [](const std::string& option, const std::string& message,
                         const std::string& advice = "") {
    throw UsageError(message, {"check the sampling options", option, advice});
  };
  if (options.strategy != "natural" && options.strategy != "landcover") {
    refuse("strategy", "there is no sampling strategy \"" + options.strategy + "\"",
           "known are natural and landcover");
  }
  if (!(options.balance_exponent >= 0 && options.balance_exponent <= 1)) {
    refuse("balance_exponent", "the balance exponent must be from 0 to 1");
  }
  if (options.biome_strata && options.strategy != "landcover") {
    refuse("biome_strata", "strata by biome need the strategy landcover");
  }
  constexpr std::int64_t kMostTiles = std::int64_t{1} << 40;
  if (options.tiles < 0 || options.tiles > kMostTiles) {
    refuse("tiles", "the number of tiles must be from 0 to 2^40, not " + std::to_string(options.tiles));
  }
  if (options.split != "train" && options.split != "validation" && options.split != "test" &&
      options.split != "all") {
    refuse("split", "there is no split \"" + options.split + "\"",
           "known are train, validation, test and all");
  }
  std::vector<std::string> known;
  for (const auto& modality : schema.modalities) known.push_back(modality.name);
  for (const std::string& name : split_list(options.modalities)) {
    if (schema.index_of(name) >= 0) continue;
    const auto meant = nearest(name, known);
    std::string all;
    for (const std::string& one : known) all += (all.empty() ? "" : ", ") + one;
    refuse("modalities", "the corpus has no modality \"" + name + "\"",
           meant ? "did you mean " + *meant + "?" : "it has " + all);
  }
  if (options.max_repeats < 0) refuse("max_repeats", "the number of repeats must not be negative");
  if (options.shuffle_window < 0) refuse("shuffle_window", "the shuffle window must not be negative");
  if (!(options.reserve_share >= 0 && options.reserve_share <= 1)) {
    refuse("reserve_share", "the share of the reserve must be from 0 to 1");
  }
}

}  // namespace terramill::sampling
