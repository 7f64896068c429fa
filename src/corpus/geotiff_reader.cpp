#include "geotiff_reader.hpp"

#include "tile_values.hpp"

#include <terramill/core/error.hpp>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <limits>
#include <tuple>

namespace terramill::corpus {
namespace {

constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();

std::string size_text(const geo::Grid& grid) {
  return std::to_string(grid.width) + "x" + std::to_string(grid.height);
}

std::string grid_text(const geo::Grid& grid) {
  return size_text(grid) + " pixels of " + std::to_string(grid.transform[1]) + " at " +
         std::to_string(grid.transform[0]) + ", " + std::to_string(grid.transform[3]) + " in " +
         (grid.crs.empty()               ? "no CRS"
          : grid.crs.starts_with("EPSG") ? grid.crs
                                         : "a CRS of its own");
}

}  // namespace

void refuse_if_gone(const geo::RasterFault& fault) {
  if (!fault.missing) return;
  throw IoError("a raster that was listed is gone", ENOENT,
                {"read a raster", fault.file, "see whether the input changes or its file system is mounted"});
}

BandPlace place_of_band(const MappedModality& mapped, std::size_t band) noexcept {
  if (mapped.per_band) return {band, 1};
  return {0, static_cast<int>(band) + 1};
}

Expected<const geo::Raster*, geo::RasterFault> PlaceRasters::open(std::size_t slot, std::size_t file) {
  if (const auto found = rasters_.find({slot, file}); found != rasters_.end()) return &found->second;
  const bool is_cloud = slot == mapping_.modalities.size();
  const MappedModality& mapped = is_cloud ? *mapping_.cloud : mapping_.modalities[slot];
  const std::string& name = place_.files[slot][file];
  if (name.empty()) {
    const std::string& sibling =
        *std::ranges::find_if(place_.files[slot], [](const auto& each) { return !each.empty(); });
    return Unexpected(geo::RasterFault{
        sibling, "the file of band " + mapped.bands[file].in_file + " is missing beside it"});
  }
  auto raster = geo::Raster::open(mapping_.root / name);
  if (!raster) {
    if (!place_.dangling) refuse_if_gone(raster.error());
    return Unexpected(geo::RasterFault{name, raster.error().reason});
  }
  const int wanted = mapped.per_band ? 1 : static_cast<int>(mapped.bands.size());
  if (raster->bands() != wanted) {
    return Unexpected(geo::RasterFault{name, "has " + std::to_string(raster->bands()) + " bands where [" +
                                                 mapped.section + "] names " + std::to_string(wanted)});
  }
  return &rasters_.emplace(std::pair(slot, file), std::move(*raster)).first->second;
}

Expected<geo::Grid, geo::RasterFault> PlaceRasters::grid() {
  std::size_t slot = mapping_.modalities.size();
  for (std::size_t m = mapping_.modalities.size(); m-- > 0;) {
    if (!has(m)) continue;
    slot = m;
    if (mapping_.schema.modalities[mapping_.modalities[m].index].name == mapping_.grid) break;
  }
  geo::Grid finest;
  for (std::size_t file = 0; file < place_.files[slot].size(); ++file) {
    const auto raster = open(slot, file);
    if (!raster) return Unexpected(raster.error());
    if ((*raster)->grid().width > finest.width) finest = (*raster)->grid();
  }
  return finest;
}

std::optional<double> missing_value(const Mapping& mapping, const MappedModality& mapped,
                                    const geo::Raster& raster, int band) {
  std::optional<double> value = mapped.no_data;
  if (!value) value = raster.no_data(band);
  const Modality& modality = mapping.schema.modalities[mapped.index];
  if (!value && modality.dtype != DType::kFloat32) value = stored_no_data(modality);
  if (value && mapped.classes.contains(static_cast<int>(*value))) return std::nullopt;
  return value;
}

std::optional<geo::RasterFault> read_plane(const Mapping& mapping, const MappedModality& mapped,
                                           const geo::Raster& raster, int band, const geo::Grid& whole,
                                           geo::Window window, std::span<float> out) {
  const auto fault = [&](const std::string& reason) {
    return geo::RasterFault{raster.path().lexically_relative(mapping.root).generic_string(), reason};
  };
  const auto missing = missing_value(mapping, mapped, raster, band);
  const geo::Grid target = whole.window(window.column, window.row, window.width, window.height);
  std::optional<geo::RasterFault> failed;
  if (geo::same_grid(raster.grid(), whole)) {
    failed = raster.read<float>(band, window, out);
  } else if (!mapped.resampling) {
    return fault("lies on another grid than the tile: " + grid_text(raster.grid()) + ", not " +
                 grid_text(whole) + "; resampling in [" + mapped.section + "] would move it");
  } else if (!geo::overlaps(target, raster.grid())) {
    return fault("does not cover the tile: " + grid_text(raster.grid()) + ", not " + grid_text(target));
  } else {
    failed = raster.read_onto<float>(band, target, *mapped.resampling, kMissing, out, missing);
  }
  if (failed) {
    refuse_if_gone(*failed);
    return fault(failed->reason);
  }
  for (float& value : out) {
    if (!std::isfinite(value) || (missing && value == static_cast<float>(*missing))) value = kMissing;
  }
  return std::nullopt;
}

std::optional<std::string> convert_plane(const Mapping& mapping, const MappedModality& mapped, double offset,
                                         std::span<float> values) {
  const Modality& modality = mapping.schema.modalities[mapped.index];
  if (modality.kind == Kind::kCategorical) {
    for (float& value : values) {
      if (std::isnan(value)) continue;
      const int code = static_cast<int>(std::lround(value));
      const auto mapped_code = mapped.classes.find(code);
      const bool known = mapped.classes.empty() ? std::ranges::count(modality.classes, code) > 0
                                                : mapped_code != mapped.classes.end();
      if (!known) {
        return "has the class code " + std::to_string(code) + ", which " +
               (mapped.classes.empty() ? modality.name + " does not know" : "[land_cover] map does not name");
      }
      if (!mapped.classes.empty()) value = static_cast<float>(mapped_code->second);
    }
    return std::nullopt;
  }
  // A pixel that is valid stays valid: dark pixels end at 1, since 0 is no-data (as ESA's own processor
  // does).
  const bool plain = offset == 0 && mapped.unit == Unit::kAsStored && mapped.scale == 1 && mapped.shift == 0;
  if (plain) return std::nullopt;
  for (float& value : values) {
    if (std::isnan(value)) continue;
    double number = value;
    if (offset != 0) number = std::max(number - offset, 1.0);
    if (mapped.unit == Unit::kReflectance) number *= 1e4;
    if (mapped.unit == Unit::kPower) number = number > 0 ? 10 * std::log10(number) : kMissing;
    value = static_cast<float>(number * mapped.scale + mapped.shift);
  }
  return std::nullopt;
}

bool any_valid(std::span<const float> values) {
  return std::ranges::any_of(values, [](float value) { return !std::isnan(value); });
}

Expected<bool, geo::RasterFault> read_modality(const Mapping& mapping, std::size_t slot, double offset,
                                               const geo::Grid& whole, geo::Window window,
                                               PlaceRasters& rasters, Tile& tile) {
  const MappedModality& mapped = mapping.modalities[slot];
  const Modality& modality = mapping.schema.modalities[mapped.index];
  std::vector<float> plane(mapping.schema.elements(modality) / modality.bands.size());
  bool any = false;
  for (std::size_t band = 0; band < mapped.bands.size(); ++band) {
    if (mapped.bands[band].channel < 0) continue;
    const BandPlace where = place_of_band(mapped, band);
    const auto raster = rasters.open(slot, where.file);
    if (!raster) return Unexpected(raster.error());
    if (auto fault = read_plane(mapping, mapped, **raster, where.band, whole, window, plane))
      return Unexpected(std::move(*fault));
    if (const auto reason = convert_plane(mapping, mapped, offset, plane)) {
      return Unexpected(geo::RasterFault{rasters.place().files[slot][where.file], *reason});
    }
    any = any || any_valid(plane);
    const auto channel = static_cast<std::size_t>(mapped.bands[band].channel);
    store_values(modality, plane, channel * plane.size(), Cast::kNearest, tile.values[mapped.index]);
  }
  return any;
}

}  // namespace terramill::corpus
