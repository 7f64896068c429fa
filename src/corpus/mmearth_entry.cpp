#include "mmearth_entry.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/json.hpp>

#include <cmath>
#include <cstdint>
#include <limits>

namespace terramill::corpus {
namespace {

constexpr int kBiomes = 14, kEcoRegions = 846;
constexpr const char* kGroupKeys[MmearthEntry::kGroups] = {
    "sentinel2",     "sentinel1_asc",     "sentinel1_desc", "aster",
    "dynamic_world", "canopy_height_eth", "esa_worldcover"};

/// "YYYY-MM-DD" with a month of 1 … 12; 0 otherwise.
int month_of(const std::string& date) {
  if (date.size() != 10 || date[4] != '-' || date[7] != '-') return 0;
  for (const std::size_t i : {0u, 1u, 2u, 3u, 5u, 6u, 8u, 9u}) {
    if (date[i] < '0' || date[i] > '9') return 0;
  }
  const int month = (date[5] - '0') * 10 + (date[6] - '0');
  return month <= 12 ? month : 0;
}

/// Reads the parts of an entry; throws FormatError, which parse_mmearth_entry turns into the fault.
class EntryReader {
 public:
  explicit EntryReader(const Json& json) : json_(json) {}

  MmearthEntry read(const std::string& tile_id) {
    TileRecord& record = entry_.record;
    record.tile_id = tile_id;
    record.lat = number("lat");
    record.lon = number("lon");
    if (!(std::abs(record.lat) <= 90) || !(std::abs(record.lon) <= 360))
      fail("lat or lon is outside the Earth");
    record.date = get<std::string>("S2_DATE");
    entry_.month = month_of(record.date);
    if (entry_.month == 0) fail("S2_DATE \"" + record.date + "\" is no date like 2019-07-31");
    const auto type = get<std::string>("S2_type");
    if (type != "l1c" && type != "l2a") fail("S2_type \"" + type + "\" is neither l1c nor l2a");
    record.s2_type = type == "l2a" ? S2Type::kL2A : S2Type::kL1C;
    record.biome = static_cast<std::int16_t>(index("biome", kBiomes));
    record.eco_region = static_cast<std::int16_t>(index("eco_region", kEcoRegions));
    if (json_.contains("CRS") && !json_["CRS"].is_null()) record.crs = get<std::string>("CRS");
    read_bands();
    if (json_.contains("era5") && !json_["era5"].is_null()) read_era5(json_["era5"]);
    return std::move(entry_);
  }

 private:
  [[noreturn]] static void fail(const std::string& reason) { throw FormatError(reason); }

  template <typename T>
  T get(const std::string& key) const {
    const auto found = json_.find(key);
    if (found == json_.end()) fail("its entry has no key \"" + key + "\"");
    try {
      return found->get<T>();
    } catch (const nlohmann::json::exception&) {
      fail("the key \"" + key + "\" has the wrong type");
    }
  }

  double number(const std::string& key) const { return get<double>(key); }

  int index(const std::string& key, int classes) const {
    const double value = number(key);
    if (!(value >= 0 && value < classes) || value != std::floor(value)) {
      fail(key + " is not a whole number from 0 to " + std::to_string(classes - 1));
    }
    return static_cast<int>(value);
  }

  void read_bands() {
    const auto all = get<Json>("BANDS");
    if (!all.is_object()) fail("BANDS is no object");
    for (std::size_t group = 0; group < MmearthEntry::kGroups; ++group) {
      const auto found = all.find(kGroupKeys[group]);
      if (found == all.end() || found->is_null()) continue;
      try {
        entry_.bands[group] = found->get<std::vector<std::string>>();
      } catch (const nlohmann::json::exception&) {
        fail(std::string("BANDS.") + kGroupKeys[group] + " is no list of names");
      }
      entry_.listed[group] = true;
    }
    if (!entry_.listed[MmearthEntry::kSentinel2]) fail("BANDS has no key \"sentinel2\"");
  }

  void read_era5(const Json& era5) {
    std::size_t slot = 0;
    for (const char* period : {"month1", "month2", "year"}) {
      const auto found = era5.is_object() ? era5.find(period) : era5.end();
      if (!era5.is_object() || found == era5.end()) fail(std::string("era5 has no key \"") + period + "\"");
      if (!found->is_array() || found->size() != 4)
        fail(std::string("era5.") + period + " is no list of 4 values");
      for (const Json& value : *found) {
        if (!value.is_null() && !value.is_number())
          fail(std::string("era5.") + period + " holds what is no number");
        entry_.era5[slot++] = value.is_null() ? std::numeric_limits<float>::quiet_NaN()
                                              : static_cast<float>(value.get<double>());
      }
    }
    entry_.has_era5 = true;
  }

  const Json& json_;
  MmearthEntry entry_;
};

}  // namespace

std::size_t MmearthEntry::total_bands() const {
  std::size_t total = 0;
  for (const auto& group : bands) total += group.size();
  return total;
}

Expected<MmearthEntry, std::string> parse_mmearth_entry(const std::string& tile_id, const std::string& json) {
  try {
    return EntryReader(parse_json(json, "its entry")).read(tile_id);
  } catch (const FormatError& fault) {
    return Unexpected(fault.message());
  }
}

}  // namespace terramill::corpus
