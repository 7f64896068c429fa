#pragma once

#include <terramill/core/options.hpp>
#include <terramill/corpus/index.hpp>
#include <terramill/corpus/manifest.hpp>
#include <terramill/mpi/communicator.hpp>
#include <terramill/sampling/strata.hpp>

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace terramill::sampling {

/// One tile at one position of an epoch.
struct PlanEntry {
  std::uint64_t tile_key = 0;        ///< xxh3 of tile_id
  std::uint32_t shard = 0, row = 0;  ///< where its chunks are

  bool operator==(const PlanEntry&) const = default;
};
static_assert(sizeof(PlanEntry) == 16);

/// What an epoch is drawn from, and how. The types are those of OptionTable.
struct SamplingOptions {
  /// "natural": one stratum; "landcover": a stratum per dominant class; "composition", "diversity": one
  /// stratum whose tiles are drawn by weight.
  std::string strategy = "natural";
  /// beta in [0, 1]. landcover: a stratum's share of the plan is proportional to f^beta; composition: a
  /// tile's weight is sum over classes of h f^(beta - 1).
  double balance_exponent = 0.5;
  bool biome_strata = false;    ///< landcover: dominant class x biome
  std::int64_t tiles = 0;       ///< positions of an epoch; 0: as many as tiles are eligible
  std::string split = "train";  ///< "train", "validation", "test" or "all"
  std::string region;  ///< "W,S,E,N" in degrees (W > E crosses the date line) or a GeoJSON file; empty: all
  std::string date_from, date_to;  ///< "YYYY-MM-DD", both inclusive; empty: open. Tiles without a date fail
  std::string months;              ///< of acquisition, 1 to 12, separated by commas; empty: all
  std::string biomes;              ///< 0 to 13, -1 unknown, separated by commas; empty: all
  double max_cloud = 100;          ///< percent
  std::string cloud_unknown = "keep";  ///< "keep" or "drop": tiles whose cloud is unknown
  std::string modalities;           ///< names separated by commas: only tiles that have them all are eligible
  double drop_ocean = 0;            ///< share of the eligible ocean tiles that is left out, in [0, 1]
  std::int64_t max_repeats = 0;     ///< refuse a plan that takes a tile more often than this; 0: no limit
  std::int64_t shuffle_window = 0;  ///< shards whose tiles are shuffled together; 0: all
  double reserve_share = 0.01;      ///< reserve positions per position
  std::int64_t seed = 0;

  bool operator==(const SamplingOptions&) const = default;
};

/// Declares the options, each name after `prefix`: `sample` uses "", `pretrain` "sampling.". Names are those
/// of the members; without a prefix they have hyphens for underscores, as on a command line.
void add_options(OptionTable& table, SamplingOptions& options, const std::string& prefix);
/// The filters among them alone: `split` to `modalities`.
void add_filter_options(OptionTable& table, SamplingOptions& options, const std::string& prefix);
/// UsageError, naming the option, where a value is out of its range or names a modality that `schema` lacks.
void validate(const SamplingOptions& options, const corpus::Schema& schema);

/// xxh3 of the GeoJSON file that `options.region` names; 0 where it names none. UsageError when it cannot be
/// read.
std::uint64_t region_hash(const SamplingOptions& options);

/// How many tiles passed a filter and all before it.
struct FilterStep {
  std::string name;    ///< of the option
  std::string phrase;  ///< "of split train": what those that passed are
  std::uint64_t passed = 0;

  bool operator==(const FilterStep&) const = default;
};

/// Tiles per dominant land-cover class.
using ClassCounts = std::array<std::uint64_t, corpus::kLandCoverClasses>;

/// Seconds that this rank spent in the phases of plan_epoch.
struct PhaseSeconds {
  double read = 0;     ///< reading and hashing index rows
  double select = 0;   ///< counting, quotas, selection
  double shuffle = 0;  ///< ordering and exchanging
};

/// The order of one epoch: positions [0, tiles) are trained on, positions [tiles, tiles + reserve) are the
/// reserve, which stands in for tiles that prove unreadable. Each rank holds a contiguous slice.
struct Plan {
  SamplingOptions options;
  std::uint64_t epoch = 0;
  std::uint64_t content = 0;  ///< content hash of the corpus (its manifest)
  std::uint64_t tiles = 0, reserve = 0;
  std::uint64_t region_hash = 0;  ///< of the options' region, when the plan was made
  std::vector<Stratum> strata;    ///< equal on every rank
  ClassCounts
      classes_before{};         ///< of tiles that passed every filter, before drop_ocean; equal on every rank
  ClassCounts classes_after{};  ///< of positions [0, tiles); equal on every rank
  std::uint64_t in_index = 0;   ///< tiles of the corpus; 0 in a plan that was read
  std::vector<FilterStep> filters;  ///< those in use, in order; empty in a plan that was read
  std::uint64_t begin = 0;          ///< first position of this rank's slice
  std::vector<PlanEntry> entries;   ///< positions [begin, begin + entries.size())
  PhaseSeconds seconds;             ///< not part of the result

  std::uint64_t total() const noexcept { return tiles + reserve; }
};

/// Plans an epoch. Collective; the result depends on corpus, options and epoch alone, never on the number of
/// ranks. Memory is O(tiles / ranks).
///
/// Every eligible tile belongs to one stratum; quotas are exact (apportion() in strata.hpp). A stratum of n
/// tiles with quota q is taken whole q / n times; the q mod n tiles of smallest key are taken once more,
/// equal keys in order of index row. The key is x = Philox(seed, kSelection, epoch, tile key); where tiles
/// have weights w, it is -log2(u) / w with u = (2 floor(x / 2^12) + 1) / 2^53: a weighted sample without
/// replacement (Efraimidis and Spirakis, Information Processing Letters 97, 2006). With h the tile's shares
/// of land-cover pixels (class 0 alone where there are none) and f those of all eligible tiles together,
///   composition: w = sum over c of h_c f_c^(beta - 1), the factors being rounded to 2^-32 of the largest;
///   diversity:   w = 1/20 + H(h) / ln 12, H(h) = - sum over c of h_c ln h_c.
/// Logarithms are integers in units of 2^-56 and nothing is summed in floating point, so that weights and
/// keys are the same on every machine. The reserve, max(16, ceil(reserve_share x tiles)) positions but no
/// more than eligible tiles, and none for a share of 0, continues each stratum's sequence where its quota
/// ends: unused tiles first. Positions are in order of Philox(seed, kShuffle, epoch and repetition, tile
/// key); with a window of W shards, shards are permuted first, and tiles are shuffled within each W
/// consecutive ones.
///
/// An ocean tile's dominant class is 0, of at least one pixel. Of n that pass the filters, n (1 -
/// drop_ocean), halves rounded up, stay eligible: those of smallest Philox(seed, kOcean, 0, tile key), in
/// every epoch.
///
/// UsageError where no tile is eligible, or the quota is impossible (max_repeats); it says how many tiles
/// passed each filter.
Plan plan_epoch(const mpi::Communicator& comm, const std::filesystem::path& corpus,
                const SamplingOptions& options, std::uint64_t epoch);
/// The same over an index and the manifest that describes it.
Plan plan_epoch(const mpi::Communicator& comm, const corpus::IndexReader& index,
                const corpus::Manifest& manifest, const SamplingOptions& options, std::uint64_t epoch);

/// What passes the filters of a set of options.
struct Eligible {
  std::vector<std::uint64_t> rows;  ///< of the index, ascending
  std::vector<FilterStep> filters;  ///< those in use, in order
  std::uint64_t region_hash = 0;
};
/// Finds the rows that pass the filters of `options`, on every rank; drop_ocean, which thins, is none of
/// them. Collective. UsageError as for plan_epoch; also where no row passes.
Eligible find_eligible(const mpi::Communicator& comm, const std::filesystem::path& corpus,
                       const SamplingOptions& options);
/// How many rows that are; none is no error. Collective.
std::uint64_t count_eligible(const mpi::Communicator& comm, const std::filesystem::path& corpus,
                             const SamplingOptions& options);

/// The entries at `positions`, in that order, which each rank chooses for itself; positions may repeat and
/// reach into the reserve. Collective. UsageError on the rank whose position is not below plan.total().
std::vector<PlanEntry> fetch(const mpi::Communicator& comm, const Plan& plan,
                             std::span<const std::uint64_t> positions);
/// The whole reserve, on every rank. Collective.
std::vector<PlanEntry> fetch_reserve(const mpi::Communicator& comm, const Plan& plan);

/// Writes the plan as HDF5; rank 0 writes, in blocks, under a temporary name. Collective. The bytes depend on
/// the plan alone. Datasets: `tile_key` uint64, `shard` uint32, `row` uint32 [tiles + reserve]; per stratum
/// `stratum_land_cover` int16, `stratum_biome` int16, `stratum_available`, `stratum_quota`, `stratum_reserve`
/// uint64; `classes_before`, `classes_after` uint64 [12]. Attributes of the root: `format` "terramill plan",
/// `format_version` 2, `region_hash` 16 hex digits, `corpus_content` 16 hex
/// digits, `epoch`, `tiles`, `reserve`, and every member of SamplingOptions under its name: texts, integers
/// (switches 0 or 1), floating-point numbers as text; SamplingOptions::tiles as `requested_tiles`.
void write_plan(const mpi::Communicator& comm, const Plan& plan, const std::filesystem::path& path);
/// Reads a plan, each rank its slice; warns where the GeoJSON file of its region is there but has changed
/// since. Collective. IoError, FormatError.
Plan read_plan(const mpi::Communicator& comm, const std::filesystem::path& path);

}  // namespace terramill::sampling
