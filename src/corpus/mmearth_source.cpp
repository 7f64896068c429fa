#include "mmearth_source.hpp"

#include "cloud_share.hpp"
#include "image_level.hpp"
#include "spatial_split.hpp"
#include "tile_values.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/log.hpp>
#include <terramill/corpus/synth.hpp>
#include <terramill/geo/raster.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include <sys/stat.h>

namespace terramill::corpus {
namespace {

namespace fs = std::filesystem;

const char* const kFolder = "merged";

/// Whether there is such a folder; IoError when the file system does not tell.
bool is_folder(const fs::path& path) {
  std::error_code error;
  const fs::file_type type = fs::status(path, error).type();
  if (type == fs::file_type::none) {
    throw IoError("the folder cannot be looked at", error.value(),
                  {"open an mmearth-tiles source", path, ""});
  }
  return type == fs::file_type::directory;
}

/// `input` itself, or its one subfolder that the downloader left: both are what people have at hand.
fs::path find_download(const fs::path& input) {
  if (is_folder(input / kFolder)) return input;
  std::error_code status;
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(input, status)) {
    if (is_folder(entry.path() / kFolder)) found.push_back(entry.path());
  }
  return found.size() == 1 ? found.front() : input;
}

fs::path find_tile_info(const fs::path& folder) {
  const ErrorContext context{
      "open an mmearth-tiles source", folder,
      "give the folder that the downloader left: merged/*.tif and one *_tile_info.json"};
  if (!is_folder(folder)) throw UsageError("the input is no folder", context);
  if (!is_folder(folder / kFolder)) throw UsageError("the input has no folder \"merged\"", context);
  std::error_code status;
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder, status)) {
    if (entry.path().filename().string().ends_with("tile_info.json")) found.push_back(entry.path());
  }
  if (status) throw IoError("the folder cannot be listed", status.value(), context);
  if (found.size() != 1) {
    throw UsageError(std::to_string(found.size()) + " files end with tile_info.json where one is wanted",
                     context);
  }
  return found.front();
}

std::string relative_file(const std::string& tile_id) {
  return std::string(kFolder) + "/" + tile_id + ".tif";
}

/// The device on which a folder lies; IoError when it does not answer.
std::uint64_t device_of(const fs::path& folder) {
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0) {
    throw IoError("the folder of the tiles does not answer", errno, {"read a tile", folder, ""});
  }
  return status.st_dev;
}

/// 128 and 64 are the sizes that MMEarth publishes: the larger one that a raster holds.
int size_in(const geo::Grid& grid) {
  const int side = std::min(grid.width, grid.height);
  for (const int size : {128, 64}) {
    if (side >= size) return size;
  }
  return side;
}

/// What most of the first readable tiles hold; of two that are as frequent the smaller, which both hold.
int own_tile_size(const fs::path& folder, const TileInfo& tile_info) {
  constexpr std::uint64_t kTries = 1000, kSample = 100;
  std::map<int, std::uint64_t> sizes;
  std::uint64_t readable = 0;
  for (std::uint64_t i = 0; i < std::min(tile_info.size(), kTries) && readable < kSample; ++i) {
    const auto raster = geo::Raster::open(folder / relative_file(tile_info.read(i).tile_id));
    if (!raster) continue;
    ++readable;
    ++sizes[size_in(raster->grid())];
  }
  if (readable == 0) {
    throw FormatError(
        "none of the first tiles can be read",
        {"find the tile size", folder / kFolder, "give --tile-size, or the folder with its GeoTIFFs"});
  }
  const auto most = std::ranges::max_element(sizes, {}, [](const auto& each) { return each.second; });
  if (sizes.size() > 1) {
    std::string text;
    for (const auto& [size, count] : sizes) {
      text += (text.empty() ? "" : ", ") + std::to_string(count) + " of " + std::to_string(size) + " pixels";
    }
    log::warn(
        "the first {} readable tiles differ in size: {}; tiles are cut to {} pixels, smaller ones are set "
        "aside (--tile-size)",
        readable, text, most->first);
  }
  return most->first;
}

/// Stores planes of one modality; `reference` casts as HDF5 does, otherwise values that mean no-data become
/// it.
class Planes {
 public:
  Planes(const Schema& schema, std::span<const float> values, bool reference, Tile& tile)
      : schema_(schema), values_(values), reference_(reference), tile_(tile) {}

  std::size_t area() const { return static_cast<std::size_t>(schema_.height * schema_.width); }

  /// Puts band `band` of the file into channel `channel` of the modality; `missing`: the value that stands
  /// for no-data in the file.
  void store(std::string_view modality, std::size_t channel, std::size_t band, double missing) {
    const auto m = static_cast<std::size_t>(schema_.index_of(modality));
    const auto plane = values_.subspan(band * area(), area());
    if (reference_) {
      store_values(schema_.modalities[m], plane, channel * area(), Cast::kHdf5, tile_.values[m]);
      return;
    }
    std::vector<float> marked(plane.begin(), plane.end());
    for (float& value : marked) {
      if (!std::isfinite(value) || value == missing) value = std::numeric_limits<float>::quiet_NaN();
    }
    store_values(schema_.modalities[m], marked, channel * area(), Cast::kNearest, tile_.values[m]);
  }

 private:
  const Schema& schema_;
  std::span<const float> values_;
  bool reference_;
  Tile& tile_;
};

constexpr double kNever = std::numeric_limits<double>::quiet_NaN();

struct QualityBand {
  const char *band, *modality;
};
constexpr QualityBand kQualityBands[] = {
    {"QA60", "sentinel2_cloudmask"}, {"MSK_CLDPRB", "sentinel2_cloudprod"}, {"SCL", "sentinel2_scl"}};

/// Where the groups after Sentinel-2 begin. The reference counts Sentinel-2's bands as if L2A always had
/// three quality bands and L1C one, and then adds those it finds: without MSK_CLDPRB it ends one short
/// (convert_to_h5.py).
std::size_t after_sentinel2(const MmearthEntry& entry, bool reference) {
  const auto& names = entry.bands[MmearthEntry::kSentinel2];
  if (!reference) return names.size();
  const std::size_t assumed = entry.record.s2_type == S2Type::kL2A ? 3 : 1;
  std::size_t found = 0;
  for (const auto& quality : kQualityBands) found += std::ranges::count(names, quality.band) > 0 ? 1 : 0;
  return names.size() + found - std::min(assumed, names.size() + found);
}

std::string unknown_band(const char* group, const std::string& band) {
  return std::string("tile_info lists the ") + group + " band \"" + band + "\", which MMEarth does not have";
}

/// Sentinel-1 into the slots of its orbit; returns the fault, if any.
std::optional<std::string> convert_radar(const MmearthEntry& entry, std::size_t& next, const Schema& schema,
                                         Planes& planes) {
  const Modality& radar = *schema.find("sentinel1");
  for (const auto& [group, prefix] :
       {std::pair{MmearthEntry::kAscending, "asc_"}, std::pair{MmearthEntry::kDescending, "desc_"}}) {
    for (const auto& band : entry.bands[group]) {
      const int slot = radar.band_index(prefix + band);
      if (slot < 0) return unknown_band("sentinel1", band);
      planes.store("sentinel1", static_cast<std::size_t>(slot), next++, kNever);
    }
  }
  return std::nullopt;
}

}  // namespace

MmearthTilesSource::MmearthTilesSource(const SourceOptions& options)
    : options_(options), folder_(find_download(options.input)), tile_info_(find_tile_info(folder_)) {
  if (!options.schema.empty() && options.schema != "mmearth") {
    throw UsageError("an mmearth-tiles source fills the schema mmearth only",
                     {"open an mmearth-tiles source", "--schema " + options.schema, "leave --schema out"});
  }
  if (tile_info_.size() == 0) {
    throw FormatError("the table names no tile", {"open an mmearth-tiles source", tile_info_.path(), ""});
  }
  device_ = device_of(folder_ / kFolder);
  const int size = options.tile_size > 0 ? options.tile_size : own_tile_size(folder_, tile_info_);
  schema_ = mmearth_schema(size, options.reference);
}

Expected<Tile, TileFault> MmearthTilesSource::load(std::uint64_t i) const {
  const TileInfo::Text text = tile_info_.read(i);
  const std::string table = tile_info_.path().filename();
  const auto bad_entry = [&](const std::string& reason) {
    return Unexpected(TileFault{text.tile_id, table, tile_info_.position_of(i) + ": " + reason});
  };
  if (!text.key_fault.empty()) return bad_entry(text.key_fault);
  const auto entry = parse_mmearth_entry(text.tile_id, text.json);
  if (!entry) return bad_entry(entry.error());

  const std::string file = relative_file(text.tile_id);
  const auto fault = [&](const std::string& reason) {
    return Unexpected(TileFault{text.tile_id, file, reason});
  };
  const auto pixels = read_pixels(*entry, folder_ / file);
  if (!pixels) return fault(pixels.error());

  Tile tile;
  tile.record = entry->record;
  tile.record.transform = pixels->transform;
  if (tile.record.crs.empty()) tile.record.crs = pixels->crs;
  fill_absent(schema_, tile);
  if (const auto reason = convert(*entry, *pixels, tile)) return fault(*reason);
  convert_image_level(*entry, tile);
  tile.record.cloud = mmearth_cloud_share(schema_, tile);
  tile.record.split = split_of(tile.record.lon, tile.record.lat, text.tile_id, options_);
  return tile;
}

Expected<MmearthTilesSource::Pixels, std::string> MmearthTilesSource::read_pixels(
    const MmearthEntry& entry, const fs::path& file) const {
  const auto raster = geo::Raster::open(file);
  if (!raster) {
    if (raster.error().missing) require_folder();
    return Unexpected(raster.error().reason);
  }
  const std::size_t listed = entry.total_bands();
  if (static_cast<std::size_t>(raster->bands()) != listed) {
    return Unexpected("has " + std::to_string(raster->bands()) + " bands where tile_info lists " +
                      std::to_string(listed));
  }
  const geo::Grid& grid = raster->grid();
  const int size = schema_.height;
  if (grid.width < size || grid.height < size) {
    return Unexpected("is " + std::to_string(grid.width) + "x" + std::to_string(grid.height) +
                      " pixels, smaller than tiles of " + std::to_string(size));
  }
  const geo::Window window{(grid.width - size) / 2, (grid.height - size) / 2, size, size};
  Pixels pixels;
  pixels.values.resize(listed * static_cast<std::size_t>(size) * static_cast<std::size_t>(size));
  if (const auto fault = raster->read_all<float>(window, pixels.values)) {
    if (fault->missing) require_folder();
    return Unexpected(fault->reason);
  }
  if (grid.transform != std::array<double, 6>{}) {
    pixels.transform = grid.window(window.column, window.row, size, size).transform;
  }
  pixels.crs = grid.crs;
  return pixels;
}

/// A file is missing only where its folder still answers, and is no empty mount point by now.
void MmearthTilesSource::require_folder() const {
  const fs::path merged = folder_ / kFolder;
  if (device_of(merged) == device_) return;
  throw IoError("the file system of the tiles has changed", ENOTCONN, {"read a tile", merged, ""});
}

std::optional<std::string> MmearthTilesSource::convert(const MmearthEntry& entry, const Pixels& pixels,
                                                       Tile& tile) const {
  using Entry = MmearthEntry;
  Planes planes(schema_, pixels.values, options_.reference, tile);
  const auto& optical = entry.bands[Entry::kSentinel2];
  for (std::size_t band = 0; band < optical.size(); ++band) {
    const auto* quality = std::ranges::find(kQualityBands, optical[band], &QualityBand::band);
    if (quality != std::end(kQualityBands)) {
      planes.store(quality->modality, 0, band, kNever);
      continue;
    }
    const int slot = schema_.find("sentinel2")->band_index(optical[band]);
    if (slot < 0) return unknown_band("sentinel2", optical[band]);
    planes.store("sentinel2", static_cast<std::size_t>(slot), band, 0);
  }

  std::size_t next = after_sentinel2(entry, options_.reference);
  if (next > optical.size())
    return "lists more quality bands than the official converter expects of its S2_type";
  if (auto fault = convert_radar(entry, next, schema_, planes)) return fault;
  constexpr double kCanopyMissing = 255;
  struct Rest {
    Entry::Group group;
    const char* modality;
    double missing;
  };
  for (const Rest& rest :
       {Rest{Entry::kAster, "aster", kNever}, Rest{Entry::kDynamicWorld, "dynamic_world", 0},
        Rest{Entry::kCanopy, "canopy_height_eth", kCanopyMissing},
        Rest{Entry::kWorldCover, "esa_worldcover", 0}}) {
    const auto channels = static_cast<std::size_t>(schema_.find(rest.modality)->channels());
    const std::size_t listed = entry.bands[rest.group].size();
    if (listed > channels) return unknown_band(rest.modality, entry.bands[rest.group].back());
    for (std::size_t channel = 0; channel < listed; ++channel) {
      planes.store(rest.modality, channel, next++, rest.missing);
    }
  }
  if (options_.reference && !entry.listed[Entry::kWorldCover]) {
    return "tile_info lists no esa_worldcover, without which the official converter stops";
  }

  const auto listed = [&](const std::string& modality) {
    if (modality == "sentinel1") return entry.listed[Entry::kAscending] || entry.listed[Entry::kDescending];
    if (modality == "aster") return entry.listed[Entry::kAster];
    return true;
  };
  for (std::size_t m = 0; m < schema_.modalities.size(); ++m) {
    if (schema_.modalities[m].pixel && listed(schema_.modalities[m].name)) mark_present(schema_, m, tile);
  }
  count_land_cover(tile.values[static_cast<std::size_t>(schema_.index_of("esa_worldcover"))], tile.record);
  return std::nullopt;
}

void MmearthTilesSource::convert_image_level(const MmearthEntry& entry, Tile& tile) const {
  if (entry.has_era5) store_image_level(schema_, "era5", entry.era5, tile);
  store_location(schema_, tile);
  store_month(schema_, entry.month, tile);
  for (const auto& [modality, index] :
       {std::pair{"biome", entry.record.biome}, std::pair{"eco_region", entry.record.eco_region}}) {
    std::vector<float> one_hot(schema_.find(modality)->bands.size(), 0.0F);
    one_hot[static_cast<std::size_t>(index)] = 1;
    store_image_level(schema_, modality, one_hot, tile);
  }
}

Json MmearthTilesSource::describe() const {
  Json json;
  json["kind"] = "mmearth-tiles";
  json["tile_info"] = tile_info_.path().filename().string();
  json["tile_info_xxh3"] = to_hex(tile_info_.xxh3());
  json["candidates"] = candidates();
  json["schema"] = schema_.name;
  json["tile_size"] = schema_.height;
  json["compat"] = options_.reference ? "reference" : "none";
  json["synthetic"] = std::filesystem::exists(folder_ / kSyntheticFile);
  json["split"] = describe_split(options_);
  json["label_names"] = Json::array();
  return json;
}

}  // namespace terramill::corpus
