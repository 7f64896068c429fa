#include "assemble.hpp"

#include <terramill/core/file.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/corpus/index.hpp>
#include <terramill/corpus/info.hpp>
#include <terramill/corpus/manifest.hpp>
#include <terramill/geo/land_cover.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <sstream>

namespace terramill::corpus {
namespace {

constexpr std::uint64_t kBlock = 65536;
constexpr std::array<const char*, 3> kSplitNames = {"train", "validation", "test"};
constexpr std::array<const char*, 3> kTypeNames = {"none", "l1c", "l2a"};

/// Counts over the rows of an index.
struct Counts {
  std::array<std::uint64_t, 3> splits{}, types{};
  std::array<std::uint64_t, kLandCoverClasses> land_cover{};
  std::array<std::uint64_t, 32> present{};
  std::map<int, std::uint64_t> biomes, labels;
  std::string first_date, last_date;
  double west = 180, east = -180, south = 90, north = -90;
  bool placed = false;

  void add(const IndexColumns& columns) {
    for (std::size_t i = 0; i < columns.count; ++i) {
      ++splits[std::min<std::size_t>(columns.split[i], 2)];
      ++types[std::min<std::size_t>(columns.s2_type[i], 2)];
      for (std::size_t c = 0; c < kLandCoverClasses; ++c)
        land_cover[c] += columns.land_cover[i * kLandCoverClasses + c];
      for (std::size_t m = 0; m < present.size(); ++m) present[m] += columns.present[i] >> m & 1u;
      if (columns.biome[i] >= 0) ++biomes[columns.biome[i]];
      if (columns.label[i] >= 0) ++labels[columns.label[i]];
      add_date(columns.date[i]);
      add_place(columns.lon[i], columns.lat[i]);
    }
  }

  void add_date(const std::string& date) {
    if (date.empty()) return;
    if (first_date.empty() || date < first_date) first_date = date;
    last_date = std::max(last_date, date);
  }

  void add_place(double lon, double lat) {
    if (std::isnan(lon) || std::isnan(lat)) return;
    placed = true;
    west = std::min(west, lon);
    east = std::max(east, lon);
    south = std::min(south, lat);
    north = std::max(north, lat);
  }
};

Counts count_rows(const std::filesystem::path& corpus) {
  const IndexReader index(corpus / kIndexFile);
  Counts counts;
  for (std::uint64_t begin = 0; begin < index.rows(); begin += kBlock) {
    counts.add(index.read(begin, std::min(kBlock, index.rows() - begin),
                          kSplit | kS2Type | kLandCover | kPresent | kBiome | kLabel | kDate | kLonLat));
  }
  return counts;
}

Json land_cover_of(const Counts& counts) {
  double pixels = 0;
  for (const std::uint64_t count : counts.land_cover) pixels += static_cast<double>(count);
  Json json = Json::array();
  for (std::size_t c = 0; c < kLandCoverClasses; ++c) {
    const auto count = static_cast<double>(counts.land_cover[c]);
    json.push_back({{"class", c},
                    {"name", geo::land_cover_classes()[c].name},
                    {"pixels", counts.land_cover[c]},
                    {"share", pixels > 0 ? count / pixels : 0}});
  }
  return json;
}

Json modalities_of(const Manifest& manifest, const Counts& counts) {
  Json json = Json::array();
  for (std::size_t m = 0; m < manifest.schema.modalities.size(); ++m) {
    const Modality& modality = manifest.schema.modalities[m];
    json.push_back({{"name", modality.name},
                    {"dtype", name_of(modality.dtype)},
                    {"kind", name_of(modality.kind)},
                    {"channels", modality.channels()},
                    {"pixel", modality.pixel},
                    {"tiles", counts.present[m]}});
  }
  return json;
}

Json reasons_of(const std::filesystem::path& corpus) {
  std::map<std::string, std::uint64_t> reasons;
  const auto path = corpus / kQuarantineFile;
  if (std::filesystem::exists(path)) {
    std::istringstream lines(read_text(path));
    for (std::string line; std::getline(lines, line);) {
      const Json json = parse_json(line, path.string());
      ++reasons[counted_reason(json_get<std::string>(json, "reason", path.string()))];
    }
  }
  return reasons;
}

}  // namespace

Json describe_corpus(const std::filesystem::path& corpus) {
  const Manifest manifest = read_manifest(corpus);
  const Counts counts = count_rows(corpus);
  std::uint64_t stored = 0, decoded = 0;
  for (const ShardEntry& shard : manifest.shards) stored += shard.bytes;
  for (const Modality& modality : manifest.schema.modalities) decoded += manifest.schema.tile_bytes(modality);
  Json json;
  json["tiles"] = manifest.tiles;
  json["quarantined"] = manifest.quarantined;
  json["quarantine_reasons"] = reasons_of(corpus);
  json["shards"] = manifest.shards.size();
  json["shard_tiles"] = manifest.shard_tiles;
  json["stored_bytes"] = stored;
  json["decoded_bytes"] = manifest.index_only ? 0 : manifest.tiles * decoded;
  json["codec"] = {
      {"name", name_of(manifest.codec)}, {"level", manifest.level}, {"library", manifest.codec_library}};
  json["content"] = to_hex(manifest.content);
  json["reference"] = manifest.reference;
  json["index_only"] = manifest.index_only;
  json["synthetic"] = manifest.synthetic;
  json["schema"] = {
      {"name", manifest.schema.name}, {"height", manifest.schema.height}, {"width", manifest.schema.width}};
  json["modalities"] = modalities_of(manifest, counts);
  json["splits"] = Json::object();
  for (std::size_t s = 0; s < 3; ++s) json["splits"][kSplitNames[s]] = counts.splits[s];
  json["s2_types"] = Json::object();
  for (std::size_t t = 0; t < 3; ++t) json["s2_types"][kTypeNames[t]] = counts.types[t];
  json["land_cover"] = land_cover_of(counts);
  json["biomes"] = Json::object();
  for (const auto& [biome, count] : counts.biomes) json["biomes"][std::to_string(biome)] = count;
  json["labels"] = Json::object();
  for (const auto& [label, count] : counts.labels) {
    const auto l = static_cast<std::size_t>(label);
    json["labels"][l < manifest.label_names.size() ? manifest.label_names[l] : std::to_string(label)] = count;
  }
  json["dates"] = {counts.first_date, counts.last_date};
  json["extent"] = nullptr;
  if (counts.placed) {
    json["extent"] = {
        {"west", counts.west}, {"south", counts.south}, {"east", counts.east}, {"north", counts.north}};
  }
  json["source"] = manifest.source;
  return json;
}

}  // namespace terramill::corpus
