#pragma once

#include "geotiff_mapping.hpp"
#include "geotiff_places.hpp"

#include <terramill/core/expected.hpp>
#include <terramill/corpus/tile.hpp>
#include <terramill/geo/raster.hpp>

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace terramill::corpus {

/// Where one band of a modality lies: file of the place, and band in it (from 1).
struct BandPlace {
  std::size_t file = 0;
  int band = 1;
};
BandPlace place_of_band(const MappedModality& mapped, std::size_t band) noexcept;

/// IoError when the fault is that there is no such file: all files were there when they were listed.
void refuse_if_gone(const geo::RasterFault& fault);

/// The rasters of one place, each opened when first needed. Belongs to one thread; faults name files relative
/// to the root. IoError as geo::Raster's, and for a file that is gone.
class PlaceRasters {
 public:
  PlaceRasters(const Mapping& mapping, const Place& place) : mapping_(mapping), place_(place) {}

  const Place& place() const noexcept { return place_; }
  bool has(std::size_t slot) const noexcept { return !place_.files[slot].empty(); }
  /// A raster of a modality, with as many bands as the mapping names.
  Expected<const geo::Raster*, geo::RasterFault> open(std::size_t slot, std::size_t file);
  /// The grid of the place: that of the mapping's `grid` modality, else of the first one that is there; the
  /// finest of its files.
  Expected<geo::Grid, geo::RasterFault> grid();

 private:
  const Mapping& mapping_;
  const Place& place_;
  std::map<std::pair<std::size_t, std::size_t>, geo::Raster> rasters_;
};

/// What a band of `raster` has where it has nothing: by the mapping, the file, or the schema's integer
/// no-data value.
std::optional<double> missing_value(const Mapping& mapping, const MappedModality& mapped,
                                    const geo::Raster& raster, int band);

/// Reads the window `window` of `whole` from one band into `out`, resampled where the mapping says so; NaN
/// where the band has nothing. The fault tells how the grids differ.
std::optional<geo::RasterFault> read_plane(const Mapping& mapping, const MappedModality& mapped,
                                           const geo::Raster& raster, int band, const geo::Grid& whole,
                                           geo::Window window, std::span<float> out);

/// Turns values of the file into those that are stored: offset, unit, scale, class codes. Returns the fault,
/// e.g. a class code that the mapping does not name.
std::optional<std::string> convert_plane(const Mapping& mapping, const MappedModality& mapped, double offset,
                                         std::span<float> values);

/// Whether one of the values is none that is missing (NaN).
bool any_valid(std::span<const float> values);

/// Fills the modality of mapping slot `slot` in `tile` with the window of the place's grid `whole`, which is
/// as large as the schema's tiles; `offset` is taken off. True when the files have a valid pixel there.
Expected<bool, geo::RasterFault> read_modality(const Mapping& mapping, std::size_t slot, double offset,
                                               const geo::Grid& whole, geo::Window window,
                                               PlaceRasters& rasters, Tile& tile);

}  // namespace terramill::corpus
