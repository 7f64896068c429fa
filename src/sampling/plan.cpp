#include "filters.hpp"
#include "order.hpp"
#include "rows.hpp"
#include "slices.hpp"
#include "threshold.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/philox.hpp>
#include <terramill/sampling/plan.hpp>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <optional>

namespace terramill::sampling {
namespace {

constexpr std::uint64_t kSmallestReserve = 16;
constexpr std::uint64_t kMostEpochs = std::uint64_t{1} << 32;

double seconds_since(std::chrono::steady_clock::time_point& start) {
  const auto now = std::chrono::steady_clock::now();
  const double seconds = std::chrono::duration<double>(now - start).count();
  start = now;
  return seconds;
}

/// Counts tiles per stratum and gives each its quota and reserve, on rank 0 for all: a library's pow() may
/// differ between machines.
void set_quotas(const mpi::Communicator& comm, const Rows& rows, Plan& plan) {
  std::vector<std::uint64_t> available(plan.strata.size());
  for (const std::uint8_t stratum : rows.stratum) ++available[stratum];
  comm.sum(std::span(available));

  const double beta = plan.options.strategy == "landcover" ? plan.options.balance_exponent : 1.0;
  std::vector<std::uint64_t> counts(2 * available.size());
  if (comm.rank() == 0) {
    const auto quota = apportion(available, beta, plan.tiles);
    const auto reserve = apportion(available, beta, plan.reserve);
    std::copy(quota.begin(), quota.end(), counts.begin());
    std::copy(reserve.begin(), reserve.end(), counts.begin() + static_cast<std::ptrdiff_t>(quota.size()));
  }
  comm.broadcast(std::as_writable_bytes(std::span(counts)));
  for (std::size_t s = 0; s < available.size(); ++s) {
    plan.strata[s].available = available[s];
    plan.strata[s].quota = counts[s];
    plan.strata[s].reserve = counts[available.size() + s];
  }
}

void refuse_impossible(const Plan& plan) {
  const auto limit = static_cast<std::uint64_t>(plan.options.max_repeats);
  if (limit == 0) return;
  for (const Stratum& stratum : plan.strata) {
    if (stratum.repeats() <= limit) continue;
    throw UsageError("the quota of " + std::to_string(stratum.quota) + " for stratum \"" + name_of(stratum) +
                         "\" would take its " + std::to_string(stratum.available) + " tiles up to " +
                         std::to_string(stratum.repeats()) +
                         " times, more than max_repeats = " + std::to_string(limit),
                     {"divide the quota among strata", name_of(stratum),
                      "ask for fewer tiles, raise the balance exponent, or raise max_repeats"});
  }
}

void set_sizes(const Rows& rows, Plan& plan) {
  const SamplingOptions& options = plan.options;
  if (rows.eligible == 0) refuse_nothing(plan.in_index, plan.filters);
  plan.tiles = options.tiles > 0 ? static_cast<std::uint64_t>(options.tiles) : rows.eligible;
  if (options.reserve_share > 0) {
    const auto wanted =
        static_cast<std::uint64_t>(std::ceil(options.reserve_share * static_cast<double>(plan.tiles)));
    plan.reserve = std::min(rows.eligible, std::max(kSmallestReserve, wanted));
  }
}

std::uint64_t tile_pixels(const corpus::Schema& schema) {
  return static_cast<std::uint64_t>(schema.height) * static_cast<std::uint64_t>(schema.width);
}

/// Decides, tile by tile in order of index row, how often each is taken: a stratum's sequence is all its
/// tiles, as often as `count` holds them whole, then those of smallest keys.
class Selection {
 public:
  /// `counts[s]`: how many positions the sequence of stratum s fills.
  Selection(const mpi::Communicator& comm, const Rows& rows, const std::vector<std::uint64_t>& keys,
            const std::vector<Stratum>& strata, const std::vector<std::uint64_t>& counts)
      : whole_(strata.size()), threshold_(strata.size()), partial_(strata.size()) {
    std::vector<Target> targets;
    for (std::size_t s = 0; s < strata.size(); ++s) {
      if (strata[s].available == 0) continue;
      whole_[s] = counts[s] / strata[s].available;
      partial_[s] = counts[s] % strata[s].available != 0;
      if (partial_[s]) targets.push_back({static_cast<std::uint32_t>(s), counts[s] % strata[s].available});
    }
    const auto found = find_thresholds(comm, keys, rows.stratum, strata.size(), targets);
    for (std::size_t t = 0; t < targets.size(); ++t) threshold_[targets[t].group] = found[t];
  }

  /// How often the next tile, of this stratum and key, is taken.
  std::uint64_t take(std::size_t stratum, std::uint64_t key) {
    std::uint64_t times = whole_[stratum];
    Threshold& threshold = threshold_[stratum];
    if (!partial_[stratum] || key > threshold.key) return times;
    if (key < threshold.key) return times + 1;
    if (threshold.ties == 0) return times;
    --threshold.ties;
    return times + 1;
  }

 private:
  std::vector<std::uint64_t> whole_;
  std::vector<Threshold> threshold_;
  std::vector<bool> partial_;
};

/// Groups of positions that stand one after the other in the plan: the windows of the shuffle, then the
/// reserve. A sort key is the group, in as many high bits as there must be, then the shuffle key's high bits.
class Groups {
 public:
  Groups(const Plan& plan, std::uint32_t shards) : window_(shards, 0) {
    if (plan.options.shuffle_window > 0) {
      std::vector<std::pair<std::uint64_t, std::uint32_t>> order(shards);
      for (std::uint32_t shard = 0; shard < shards; ++shard) {
        const auto key = philox_key(static_cast<std::uint64_t>(plan.options.seed), Purpose::kShuffle,
                                    (kMostEpochs - 1) << 32 | plan.epoch, shard);
        order[shard] = {key, shard};
      }
      std::sort(order.begin(), order.end());
      const auto width = static_cast<std::uint64_t>(plan.options.shuffle_window);
      for (std::uint64_t i = 0; i < shards; ++i)
        window_[order[i].second] = static_cast<std::uint32_t>(i / width);
      if (shards > 0) reserve_ = static_cast<std::uint32_t>((shards - 1) / width + 1);
    }
    bits_ = std::bit_width(reserve_);
  }

  std::uint64_t key(std::uint64_t shuffle_key, std::uint32_t shard, bool reserve) const {
    const std::uint64_t group = reserve ? reserve_ : window_[shard];
    return group << (64 - bits_) | shuffle_key >> bits_;
  }

 private:
  std::vector<std::uint32_t> window_;  // per shard
  std::uint32_t reserve_ = 1;          // the group behind the windows
  int bits_ = 1;
};

std::vector<KeyedEntry> select(const mpi::Communicator& comm, const Rows& rows, Plan& plan) {
  const auto seed = static_cast<std::uint64_t>(plan.options.seed);
  std::vector<std::uint64_t> keys(rows.tile_key.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    keys[i] = philox_key(seed, Purpose::kSelection, plan.epoch, rows.tile_key[i]);
    if (!rows.weight.empty()) keys[i] = weighted_key(keys[i], rows.weight[i]);
  }
  std::vector<std::uint64_t> quota, all;
  for (const Stratum& stratum : plan.strata) {
    quota.push_back(stratum.quota);
    all.push_back(stratum.quota + stratum.reserve);
  }
  Selection in_quota(comm, rows, keys, plan.strata, quota);
  Selection in_all(comm, rows, keys, plan.strata, all);
  const Groups groups(plan, rows.shards);

  std::vector<KeyedEntry> selected;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const std::uint64_t positions = in_quota.take(rows.stratum[i], keys[i]);
    const std::uint64_t total = in_all.take(rows.stratum[i], keys[i]);
    plan.classes_after[rows.dominant[i]] += positions;
    const PlanEntry entry{rows.tile_key[i], rows.shard[i], rows.row[i]};
    for (std::uint64_t repetition = 0; repetition < total; ++repetition) {
      const auto key = philox_key(seed, Purpose::kShuffle, repetition << 32 | plan.epoch, entry.tile_key);
      selected.push_back({groups.key(key, entry.shard, repetition >= positions), entry});
    }
  }
  comm.sum(std::span<std::uint64_t>(plan.classes_after));
  return selected;
}

}  // namespace

Plan plan_epoch(const mpi::Communicator& comm, const corpus::IndexReader& index,
                const corpus::Manifest& manifest, const SamplingOptions& options, std::uint64_t epoch) {
  validate(options, manifest.schema);
  if (epoch >= kMostEpochs) {
    throw UsageError("the epoch must be below 2^32", {"plan an epoch", std::to_string(epoch), ""});
  }
  auto clock = std::chrono::steady_clock::now();
  Plan plan;
  plan.options = options;
  plan.epoch = epoch;
  plan.content = manifest.content;
  plan.strata = all_strata(options);

  const std::string region = read_region(comm, options);
  if (!region.empty()) plan.region_hash = xxh3(region);

  std::vector<KeyedEntry> selected;
  {
    const Filters filters(options, manifest.schema, region);
    Rows rows;
    mpi::all_or_none(comm, [&] { rows = read_rows(index, filters, options, comm.rank(), comm.size()); });
    total_counts(comm, rows);
    plan.seconds.read = seconds_since(clock);
    plan.in_index = rows.passed.front();
    plan.filters = filters.steps(rows.passed);
    plan.classes_before = rows.classes;
    thin_ocean(comm, options, rows);
    if (options.drop_ocean > 0) plan.filters.push_back({"drop_ocean", "left by drop_ocean", rows.eligible});
    set_sizes(rows, plan);
    set_weights(comm, options, tile_pixels(manifest.schema), rows);
    set_quotas(comm, rows, plan);
    refuse_impossible(plan);
    selected = select(comm, rows, plan);
    plan.seconds.select = seconds_since(clock);
  }
  plan.entries = sort_entries(comm, std::move(selected));
  plan.begin = slice_begin(plan.total(), comm.size(), comm.rank());
  plan.seconds.shuffle = seconds_since(clock);
  if (options.biome_strata) std::erase_if(plan.strata, [](const Stratum& s) { return s.available == 0; });
  return plan;
}

Plan plan_epoch(const mpi::Communicator& comm, const std::filesystem::path& corpus,
                const SamplingOptions& options, std::uint64_t epoch) {
  std::optional<corpus::Manifest> manifest;
  std::optional<corpus::IndexReader> index;
  mpi::all_or_none(comm, [&] {
    manifest = corpus::read_manifest(corpus);
    index.emplace(corpus / corpus::kIndexFile);
  });
  return plan_epoch(comm, *index, *manifest, options, epoch);
}

}  // namespace terramill::sampling
