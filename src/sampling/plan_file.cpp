#include "slices.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/hdf5.hpp>
#include <terramill/core/json.hpp>
#include <terramill/core/log.hpp>
#include <terramill/sampling/plan.hpp>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <optional>

namespace terramill::sampling {
namespace {

constexpr const char* kFormat = "terramill plan";
constexpr std::int64_t kVersion = 2;
constexpr std::uint64_t kBlock = 1 << 18;

/// Calls `visit(name, member)` for every option that a plan file keeps.
template <typename Options, typename Visit>
void for_each_option(Options& options, Visit visit) {
  visit("strategy", options.strategy);
  visit("balance_exponent", options.balance_exponent);
  visit("biome_strata", options.biome_strata);
  visit("requested_tiles", options.tiles);
  visit("split", options.split);
  visit("region", options.region);
  visit("date_from", options.date_from);
  visit("date_to", options.date_to);
  visit("months", options.months);
  visit("biomes", options.biomes);
  visit("max_cloud", options.max_cloud);
  visit("cloud_unknown", options.cloud_unknown);
  visit("modalities", options.modalities);
  visit("drop_ocean", options.drop_ocean);
  visit("max_repeats", options.max_repeats);
  visit("shuffle_window", options.shuffle_window);
  visit("reserve_share", options.reserve_share);
  visit("seed", options.seed);
}

/// A dataset that is written in pieces.
class Column {
 public:
  Column() = default;
  Column(hid_t file, const std::string& name, hid_t stored, hid_t native, std::uint64_t rows)
      : name_(name), native_(native) {
    const h5::Lock lock(h5::mutex());
    const hsize_t shape = rows;
    const h5::Handle space(H5Screate_simple(1, &shape, nullptr), "describe a plan's column", name);
    dataset_ = h5::Handle(
        H5Dcreate2(file, name.c_str(), stored, space, H5P_DEFAULT, h5::dataset_properties(), H5P_DEFAULT),
        "create a plan's column", name);
  }

  template <typename T>
  void write(std::uint64_t begin, std::span<const T> values) {
    if (values.empty()) return;
    const h5::Lock lock(h5::mutex());
    const hsize_t start = begin, count = values.size();
    const h5::Handle file_space(H5Dget_space(dataset_), "write a plan", name_);
    h5::check(H5Sselect_hyperslab(file_space, H5S_SELECT_SET, &start, nullptr, &count, nullptr),
              "write a plan", name_);
    const h5::Handle memory_space(H5Screate_simple(1, &count, nullptr), "write a plan", name_);
    h5::check(H5Dwrite(dataset_, native_, memory_space, file_space, H5P_DEFAULT, values.data()),
              "write a plan", name_);
  }

 private:
  h5::Handle dataset_;
  std::string name_;
  hid_t native_ = -1;
};

/// The file that rank 0 writes.
class PlanFile {
 public:
  PlanFile(const Plan& plan, const std::filesystem::path& path)
      : path_(path),
        file_(h5::create_file(temporary_name(path))),
        tile_key_(file_, "tile_key", H5T_STD_U64LE, H5T_NATIVE_UINT64, plan.total()),
        shard_(file_, "shard", H5T_STD_U32LE, H5T_NATIVE_UINT32, plan.total()),
        row_(file_, "row", H5T_STD_U32LE, H5T_NATIVE_UINT32, plan.total()) {
    h5::write_attribute(file_, "format", std::string(kFormat));
    h5::write_attribute(file_, "format_version", kVersion);
    h5::write_attribute(file_, "corpus_content", to_hex(plan.content));
    h5::write_attribute(file_, "region_hash", to_hex(plan.region_hash));
    h5::write_attribute(file_, "epoch", static_cast<std::int64_t>(plan.epoch));
    h5::write_attribute(file_, "tiles", static_cast<std::int64_t>(plan.tiles));
    h5::write_attribute(file_, "reserve", static_cast<std::int64_t>(plan.reserve));
    for_each_option(plan.options, [&]<typename T>(const char* name, const T& value) {
      if constexpr (std::is_same_v<T, double>) {
        h5::write_attribute(file_, name, shortest_text(value));
      } else if constexpr (std::is_same_v<T, std::string>) {
        h5::write_attribute(file_, name, value);
      } else {
        h5::write_attribute(file_, name, static_cast<std::int64_t>(value));
      }
    });
    write_strata<std::int16_t>(plan, "stratum_land_cover", [](const Stratum& s) { return s.land_cover; });
    write_strata<std::int16_t>(plan, "stratum_biome", [](const Stratum& s) { return s.biome; });
    write_strata<std::uint64_t>(plan, "stratum_available", [](const Stratum& s) { return s.available; });
    write_strata<std::uint64_t>(plan, "stratum_quota", [](const Stratum& s) { return s.quota; });
    write_strata<std::uint64_t>(plan, "stratum_reserve", [](const Stratum& s) { return s.reserve; });
    write_classes("classes_before", plan.classes_before);
    write_classes("classes_after", plan.classes_after);
  }

  void write(std::uint64_t begin, std::span<const PlanEntry> entries) {
    std::vector<std::uint64_t> keys;
    std::vector<std::uint32_t> shards, rows;
    for (const PlanEntry& entry : entries) {
      keys.push_back(entry.tile_key);
      shards.push_back(entry.shard);
      rows.push_back(entry.row);
    }
    tile_key_.write<std::uint64_t>(begin, keys);
    shard_.write<std::uint32_t>(begin, shards);
    row_.write<std::uint32_t>(begin, rows);
  }

  void publish() {
    for (Column* column : {&tile_key_, &shard_, &row_}) *column = Column();
    file_.reset();
    terramill::publish(temporary_name(path_), path_);
  }

 private:
  template <typename T, typename F>
  void write_strata(const Plan& plan, const std::string& name, F member) {
    std::vector<T> values;
    for (const Stratum& stratum : plan.strata) values.push_back(static_cast<T>(member(stratum)));
    const hsize_t shape = values.size();
    h5::write_dataset<T>(file_, name, std::span(&shape, 1), values);
  }

  void write_classes(const std::string& name, const ClassCounts& counts) {
    const hsize_t shape = counts.size();
    h5::write_dataset<std::uint64_t>(file_, name, std::span(&shape, 1), counts);
  }

  std::filesystem::path path_;
  h5::Handle file_;
  Column tile_key_, shard_, row_;
};

double to_double(const std::string& text, const std::string& name, const std::filesystem::path& path) {
  double value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size()) {
    throw FormatError("the attribute " + name + " is no number: " + text, {"read a plan", path.string(), ""});
  }
  return value;
}

/// A whole plan but its entries.
Plan read_head(hid_t file, const std::filesystem::path& path) {
  const auto text = [&](const char* name) { return h5::read_text_attribute(file, name); };
  const auto natural = [&](const char* name) {
    const std::int64_t value = h5::read_integer_attribute(file, name);
    if (value >= 0) return static_cast<std::uint64_t>(value);
    throw FormatError(std::string("the attribute ") + name + " is negative",
                      {"read a plan", path.string(), ""});
  };
  if (text("format") != kFormat || h5::read_integer_attribute(file, "format_version") != kVersion) {
    throw FormatError(path.string() + " is not a plan of format version 2",
                      {"read a plan", path.string(), "write it anew with terramill sample"});
  }
  Plan plan;
  plan.content = from_hex(text("corpus_content"));
  plan.region_hash = from_hex(text("region_hash"));
  plan.epoch = natural("epoch");
  plan.tiles = natural("tiles");
  plan.reserve = natural("reserve");
  for_each_option(plan.options, [&]<typename T>(const char* name, T& value) {
    if constexpr (std::is_same_v<T, double>) {
      value = to_double(text(name), name, path);
    } else if constexpr (std::is_same_v<T, std::string>) {
      value = text(name);
    } else {
      value = static_cast<T>(h5::read_integer_attribute(file, name));
    }
  });
  for (const auto& [name, counts] :
       {std::pair("classes_before", &plan.classes_before), std::pair("classes_after", &plan.classes_after)}) {
    const auto values = h5::read_rows<std::uint64_t>(file, name, 0, counts->size());
    std::copy(values.begin(), values.end(), counts->begin());
  }
  const auto land_cover = h5::read_dataset<std::int16_t>(file, "stratum_land_cover");
  const auto biome = h5::read_dataset<std::int16_t>(file, "stratum_biome");
  const auto available = h5::read_dataset<std::uint64_t>(file, "stratum_available");
  const auto quota = h5::read_dataset<std::uint64_t>(file, "stratum_quota");
  const auto reserve = h5::read_dataset<std::uint64_t>(file, "stratum_reserve");
  std::uint64_t tiles = 0, reserved = 0;
  for (std::size_t s = 0; s < land_cover.size(); ++s) {
    plan.strata.push_back({land_cover[s], biome.at(s), available.at(s), quota.at(s), reserve.at(s)});
    tiles += quota[s];
    reserved += reserve[s];
  }
  if (tiles != plan.tiles || reserved != plan.reserve) {
    throw FormatError("the strata of " + path.string() + " do not sum to its tiles and reserve",
                      {"read a plan", path.string(), "write it anew with terramill sample"});
  }
  return plan;
}

/// The plan stands as it is, but its user should know that its region would not give it again.
void warn_of_changed_region(const Plan& plan, const std::filesystem::path& path) {
  if (plan.region_hash == 0 || !std::filesystem::exists(plan.options.region)) return;
  const std::uint64_t now = xxh3_file(plan.options.region);
  if (now == plan.region_hash) return;
  log::warn("{} was planned with another {} (xxh3 {} then, {} now); its tiles are those of then",
            path.string(), plan.options.region, to_hex(plan.region_hash), to_hex(now));
}

}  // namespace

void write_plan(const mpi::Communicator& comm, const Plan& plan, const std::filesystem::path& path) {
  std::optional<PlanFile> file;
  mpi::all_or_none(comm, [&] {
    if (comm.rank() == 0) file.emplace(plan, path);
  });
  for (std::uint64_t begin = 0; begin < plan.total(); begin += kBlock) {
    std::vector<std::uint64_t> positions;
    if (comm.rank() == 0) {
      positions.resize(std::min(kBlock, plan.total() - begin));
      std::iota(positions.begin(), positions.end(), begin);
    }
    const auto entries = fetch(comm, plan, positions);
    mpi::all_or_none(comm, [&] {
      if (file) file->write(begin, entries);
    });
  }
  mpi::all_or_none(comm, [&] {
    if (file) file->publish();
  });
}

Plan read_plan(const mpi::Communicator& comm, const std::filesystem::path& path) {
  Plan plan;
  mpi::all_or_none(comm, [&] {
    const h5::Handle file = h5::open_file(path);
    plan = read_head(file, path);
    if (comm.rank() == 0) warn_of_changed_region(plan, path);
    plan.begin = slice_begin(plan.total(), comm.size(), comm.rank());
    const std::uint64_t count = slice_begin(plan.total(), comm.size(), comm.rank() + 1) - plan.begin;
    for (const char* column : {"tile_key", "shard", "row"}) {
      if (h5::shape_of(file, column) == std::vector<hsize_t>{plan.total()}) continue;
      throw FormatError(std::string("the column ") + column + " has not as many rows as the plan positions",
                        {"read a plan", path.string(), "write it anew with terramill sample"});
    }
    const auto keys = h5::read_rows<std::uint64_t>(file, "tile_key", plan.begin, count);
    const auto shards = h5::read_rows<std::uint32_t>(file, "shard", plan.begin, count);
    const auto rows = h5::read_rows<std::uint32_t>(file, "row", plan.begin, count);
    plan.entries.resize(count);
    for (std::size_t i = 0; i < count; ++i) plan.entries[i] = {keys[i], shards[i], rows[i]};
  });
  return plan;
}

}  // namespace terramill::sampling
