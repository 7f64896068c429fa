#include "filters.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/json.hpp>
#include <terramill/sampling/plan.hpp>

#include <algorithm>

namespace terramill::sampling {

namespace {

const std::vector<std::string>& strategies() {
  static const std::vector<std::string> names = {"natural", "landcover", "composition", "diversity"};
  return names;
}

/// The name of an option behind a prefix.
struct Names {
  const std::string& prefix;
  std::string operator()(std::string member) const {
    if (prefix.empty()) std::replace(member.begin(), member.end(), '_', '-');
    return prefix + member;
  }
};

}  // namespace

void add_filter_options(OptionTable& table, SamplingOptions& options, const std::string& prefix) {
  const Names name{prefix};
  table.add(name("split"), &options.split, "only tiles of this split", "",
            {"train", "validation", "test", "all"});
  table.add(name("region"), &options.region,
            "only tiles whose centre is in W,S,E,N (W > E crosses the date line) or in the polygons of this "
            "GeoJSON file",
            "degrees");
  table.add(name("date_from"), &options.date_from, "only tiles acquired on this day or later", "YYYY-MM-DD");
  table.add(name("date_to"), &options.date_to, "only tiles acquired on this day or earlier", "YYYY-MM-DD");
  table.add(name("months"), &options.months,
            "only tiles acquired in one of these, 1 to 12, separated by commas");
  table.add(name("biomes"), &options.biomes,
            "only tiles of one of these, 0 to 13 or -1 unknown, separated by commas");
  table.add(name("max_cloud"), &options.max_cloud, "only tiles with no more cloud", "percent");
  table.add(name("cloud_unknown"), &options.cloud_unknown, "what becomes of tiles whose cloud is unknown", "",
            {"keep", "drop"});
  table.add(name("modalities"), &options.modalities,
            "only tiles that have all of these, separated by commas");
}

void add_options(OptionTable& table, SamplingOptions& options, const std::string& prefix) {
  const Names name{prefix};
  table.add(
      name("strategy"), &options.strategy,
      "how tiles are drawn: natural; landcover: balanced by dominant class; composition: rare land cover "
      "weighs more; diversity: mixed land cover weighs more",
      "", strategies());
  table.add(
      name("balance_exponent"), &options.balance_exponent,
      "landcover, composition: a class of frequency f counts in proportion to f to this power: 0 equal, 1 "
      "natural");
  table.add(name("biome_strata"), &options.biome_strata, "strata are dominant class x biome");
  table.add(name("tiles"), &options.tiles, "tiles of an epoch; 0: as many as are eligible", "tiles");
  add_filter_options(table, options, prefix);
  table.add(name("drop_ocean"), &options.drop_ocean,
            "share of the tiles of mostly ocean that is left out, the same ones in every epoch");
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
  if (std::find(strategies().begin(), strategies().end(), options.strategy) == strategies().end()) {
    refuse("strategy", "there is no sampling strategy \"" + options.strategy + "\"",
           "known are natural, landcover, composition and diversity");
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
  check_filters(options);
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
  if (!(options.drop_ocean >= 0 && options.drop_ocean <= 1)) {
    refuse("drop_ocean",
           "the share of ocean tiles that is dropped must be from 0 to 1, not " +
               shortest_text(options.drop_ocean),
           "0.98 keeps one in fifty");
  }
  if (options.max_repeats < 0) refuse("max_repeats", "the number of repeats must not be negative");
  if (options.shuffle_window < 0) refuse("shuffle_window", "the shuffle window must not be negative");
  if (!(options.reserve_share >= 0 && options.reserve_share <= 1)) {
    refuse("reserve_share", "the share of the reserve must be from 0 to 1");
  }
}

}  // namespace terramill::sampling
