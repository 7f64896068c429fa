#include "filters.hpp"

#include "region.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/json.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <memory>

namespace terramill::sampling {
namespace {

using Block = corpus::IndexColumns;

[[noreturn]] void refuse(const std::string& option, const std::string& message, const std::string& advice) {
  throw UsageError(message, {"check the sampling options", option, advice});
}

/// A whole number, or nothing where the text is none.
std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

/// The numbers of a list as bits, `low` first; 0 for an empty one.
std::uint32_t bits_of(const std::string& option, const std::string& text, int low, int high) {
  std::uint32_t bits = 0;
  for (const std::string& word : split_list(text)) {
    const auto value = number(word);
    if (!value || *value < low || *value > high) {
      refuse(option,
             "\"" + word + "\" in " + option + " = " + text + " is no number from " + std::to_string(low) +
                 " to " + std::to_string(high),
             "give numbers separated by commas");
    }
    bits |= 1u << (*value - low);
  }
  return bits;
}

void check_date(const std::string& option, const std::string& text) {
  const bool shaped = text.size() == 10 && text[4] == '-' && text[7] == '-';
  const auto part = [&](std::size_t at, std::size_t size) {
    return shaped ? number(std::string_view(text).substr(at, size)) : std::nullopt;
  };
  const auto year = part(0, 4), month = part(5, 2), day = part(8, 2);
  if (text.empty()) return;
  if (year && month && day && *year >= 0 && *month > 0 && *day > 0) {
    const std::chrono::year_month_day date{std::chrono::year(*year),
                                           std::chrono::month(static_cast<unsigned>(*month)),
                                           std::chrono::day(static_cast<unsigned>(*day))};
    if (date.ok()) return;
  }
  refuse(option, "there is no day \"" + text + "\"", "give YYYY-MM-DD, for example 2019-06-30");
}

std::string unreadable(const SamplingOptions& options, const Error& error) {
  return "the region " + options.region +
         " is neither W,S,E,N nor a file that can be read: " + error.message();
}

/// "of 2003 tiles 1603 are of split train, of those none is in the region 5,40,6,41".
std::string describe_filters(std::uint64_t in_index, const std::vector<FilterStep>& filters) {
  std::string text = "of " + std::to_string(in_index) + " tiles ";
  for (const FilterStep& step : filters) {
    if (&step != &filters.front()) text += ", of those ";
    text += (step.passed == 0 ? "none" : std::to_string(step.passed)) + (step.passed < 2 ? " is " : " are ") +
            step.phrase;
    if (step.passed == 0) break;
  }
  return text;
}

[[noreturn]] void refuse_region(const std::string& message) {
  refuse("region", message, "give W,S,E,N in degrees, or the path of a GeoJSON file of polygons");
}

}  // namespace

bool region_is_file(const SamplingOptions& options) {
  return !options.region.empty() && !Region::from_box(options.region);
}

void check_filters(const SamplingOptions& options) {
  region_is_file(options);  // refuses a wrong box
  check_date("date_from", options.date_from);
  check_date("date_to", options.date_to);
  if (!options.date_from.empty() && !options.date_to.empty() && options.date_to < options.date_from) {
    refuse("date_to", "date_to = " + options.date_to + " lies before date_from = " + options.date_from,
           "exchange the two");
  }
  bits_of("months", options.months, 1, 12);
  bits_of("biomes", options.biomes, -1, 13);
  if (!(options.max_cloud >= 0 && options.max_cloud <= 100)) {
    refuse("max_cloud",
           "the highest cloud must be from 0 to 100 percent, not " + shortest_text(options.max_cloud),
           "100 lets every tile pass");
  }
  if (options.cloud_unknown != "keep" && options.cloud_unknown != "drop") {
    refuse("cloud_unknown", "cloud_unknown is \"" + options.cloud_unknown + "\"", "known are keep and drop");
  }
}

void refuse_nothing(std::uint64_t in_index, const std::vector<FilterStep>& filters) {
  std::string advice = "loosen ";
  for (const FilterStep& step : filters) {
    advice += (&step == &filters.front() ? "" : ", ") + step.name;
    if (step.passed == 0) break;
  }
  throw UsageError(in_index == 0 ? "no tile can be sampled: the corpus has none"
                                 : "no tile can be sampled: " + describe_filters(in_index, filters),
                   {"choose tiles", "the sampling filters", filters.empty() ? "" : advice});
}

std::string read_region(const mpi::Communicator& comm, const SamplingOptions& options) {
  if (!region_is_file(options)) return "";
  std::string text, fault;
  if (comm.rank() == 0) {
    try {
      text = read_text(options.region);
    } catch (const IoError& error) {
      fault = unreadable(options, error);
    }
  }
  fault = comm.broadcast(fault);
  if (!fault.empty()) refuse_region(fault);
  return comm.broadcast(text);
}

std::uint64_t region_hash(const SamplingOptions& options) {
  if (!region_is_file(options)) return 0;
  try {
    return xxh3_file(options.region);
  } catch (const IoError& error) {
    refuse_region(unreadable(options, error));
  }
}

Filters::Filters(const SamplingOptions& options, const corpus::Schema& schema, std::string_view region_text) {
  check_filters(options);
  add_split(options);
  add_region(options, region_text);
  add_dates(options);
  add_biomes(options);
  add_cloud(options);
  add_modalities(options, schema);
}

void Filters::add_split(const SamplingOptions& options) {
  if (options.split == "all") return;
  const auto wanted = options.split == "train"        ? corpus::Split::kTrain
                      : options.split == "validation" ? corpus::Split::kValidation
                                                      : corpus::Split::kTest;
  filters_.push_back(
      {"split", "of split " + options.split, corpus::kSplit, [wanted](const Block& block, std::size_t i) {
         return block.split[i] == static_cast<std::uint8_t>(wanted);
       }});
}

void Filters::add_region(const SamplingOptions& options, std::string_view text) {
  if (options.region.empty()) return;
  std::optional<Region> box = Region::from_box(options.region);
  const auto region =
      std::make_shared<const Region>(box ? *std::move(box) : Region::from_geojson(text, options.region));
  filters_.push_back(
      {"region", "in the region " + options.region, corpus::kLonLat,
       [region](const Block& block, std::size_t i) { return region->contains(block.lon[i], block.lat[i]); }});
}

void Filters::add_dates(const SamplingOptions& options) {
  const std::string from = options.date_from, to = options.date_to;
  if (!from.empty() || !to.empty()) {
    filters_.push_back({from.empty() ? "date_to" : "date_from",
                        "acquired" + (from.empty() ? "" : " from " + from) + (to.empty() ? "" : " to " + to),
                        corpus::kDate, [from, to](const Block& block, std::size_t i) {
                          const std::string& date = block.date[i];
                          return !date.empty() && date >= from && (to.empty() || date <= to);
                        }});
  }
  if (const std::uint32_t months = bits_of("months", options.months, 1, 12); months != 0) {
    filters_.push_back({"months", "of the months " + options.months, corpus::kDate,
                        [months](const Block& block, std::size_t i) {
                          const std::string_view date = block.date[i];
                          const auto month = date.size() == 10 ? number(date.substr(5, 2)) : std::nullopt;
                          return month && *month >= 1 && *month <= 12 && (months >> (*month - 1) & 1) != 0;
                        }});
  }
}

void Filters::add_biomes(const SamplingOptions& options) {
  const std::uint32_t biomes = bits_of("biomes", options.biomes, -1, 13);
  if (biomes == 0) return;
  filters_.push_back({"biomes", "of the biomes " + options.biomes, corpus::kBiome,
                      [biomes](const Block& block, std::size_t i) {
                        const int biome = block.biome[i];
                        return biome >= -1 && biome <= 13 && (biomes >> (biome + 1) & 1) != 0;
                      }});
}

void Filters::add_cloud(const SamplingOptions& options) {
  const bool keep_unknown = options.cloud_unknown == "keep";
  if (options.max_cloud >= 100 && keep_unknown) return;
  filters_.push_back({"max_cloud",
                      "of at most " + shortest_text(options.max_cloud) + " % cloud" +
                          (keep_unknown ? " or unknown cloud" : ""),
                      corpus::kCloud,
                      [keep_unknown, most = options.max_cloud](const Block& block, std::size_t i) {
                        const double cloud = block.cloud[i];
                        return std::isnan(cloud) ? keep_unknown : cloud <= most;
                      }});
}

void Filters::add_modalities(const SamplingOptions& options, const corpus::Schema& schema) {
  std::uint32_t required = 0;
  for (const std::string& name : split_list(options.modalities)) {
    required |= std::uint32_t{1} << schema.index_of(name);
  }
  if (required == 0) return;
  filters_.push_back(
      {"modalities", "with " + options.modalities, corpus::kPresent,
       [required](const Block& block, std::size_t i) { return (block.present[i] & required) == required; }});
}

std::uint32_t Filters::columns() const noexcept {
  std::uint32_t columns = 0;
  for (const Filter& filter : filters_) columns |= filter.columns;
  return columns;
}

std::size_t Filters::first_refusal(const Block& block, std::size_t i) const {
  std::size_t f = 0;
  while (f < filters_.size() && filters_[f].passes(block, i)) ++f;
  return f;
}

std::vector<FilterStep> Filters::steps(const std::vector<std::uint64_t>& passed) const {
  std::vector<FilterStep> steps;
  for (std::size_t f = 0; f < filters_.size(); ++f) {
    steps.push_back({filters_[f].name, filters_[f].phrase, passed[f + 1]});
  }
  return steps;
}

}  // namespace terramill::sampling
