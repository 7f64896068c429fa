#include "geotiff_offset.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace terramill::corpus {
namespace {

/// The valid pixels of a whole band.
Expected<std::vector<float>, geo::RasterFault> valid_pixels(const Mapping& mapping,
                                                            const MappedModality& mapped, std::size_t slot,
                                                            std::size_t band, PlaceRasters& rasters) {
  const BandPlace place = place_of_band(mapped, band);
  const auto raster = rasters.open(slot, place.file);
  if (!raster) return Unexpected(raster.error());
  const geo::Grid& grid = (*raster)->grid();
  std::vector<float> values(static_cast<std::size_t>(grid.width) * static_cast<std::size_t>(grid.height));
  if (auto fault =
          read_plane(mapping, mapped, **raster, place.band, grid, {0, 0, grid.width, grid.height}, values)) {
    return Unexpected(std::move(*fault));
  }
  std::erase_if(values, [](float value) { return std::isnan(value); });
  return values;
}

double mean(const std::vector<float>& values) {
  double sum = 0;
  for (const float value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double first_percentile(std::vector<float>& values) {
  const auto rank = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 100);
  std::ranges::nth_element(values, rank);
  return *rank;
}

}  // namespace

Offsets::Offsets(const Mapping& mapping, std::size_t places)
    : mapping_(mapping),
      decisions_(std::make_unique<std::atomic<std::int8_t>[]>(places * mapping.modalities.size())) {}

Expected<double, geo::RasterFault> Offsets::of(std::size_t place, std::size_t slot,
                                               PlaceRasters& rasters) const {
  const OffsetRule& rule = mapping_.modalities[slot].offset;
  if (rule.test == OffsetRule::Test::kNever) return 0.0;
  if (rule.test == OffsetRule::Test::kAlways) return double{rule.amount};
  std::atomic<std::int8_t>& decision = decisions_[place * mapping_.modalities.size() + slot];
  if (decision == kUnknown) {
    const auto measured = measure(place, slot, rasters);
    if (!measured) return Unexpected(measured.error());
    decision = *measured ? kTakeOff : kKeep;
  }
  return decision == kTakeOff ? double{rule.amount} : 0.0;
}

Expected<bool, geo::RasterFault> Offsets::measure(std::size_t place, std::size_t slot,
                                                  PlaceRasters& rasters) const {
  const MappedModality& mapped = mapping_.modalities[slot];
  const OffsetRule& rule = mapped.offset;
  if (rule.test == OffsetRule::Test::kAs) {
    for (std::size_t other = 0; other < mapping_.modalities.size(); ++other) {
      if (mapping_.schema.modalities[mapping_.modalities[other].index].name != rule.subject) continue;
      if (!rasters.has(other)) return false;
      const auto followed = of(place, other, rasters);
      if (!followed) return Unexpected(followed.error());
      return *followed != 0;
    }
    return false;
  }
  const int wanted = mapping_.schema.modalities[mapped.index].band_index(rule.subject);
  double least = std::numeric_limits<double>::infinity();
  bool any = false;
  for (std::size_t band = 0; band < mapped.bands.size(); ++band) {
    const int channel = mapped.bands[band].channel;
    if (channel < 0 || (rule.subject != "*" && channel != wanted)) continue;
    auto values = valid_pixels(mapping_, mapped, slot, band, rasters);
    if (!values) return Unexpected(values.error());
    if (values->empty()) continue;
    any = true;
    least = std::min(least, rule.test == OffsetRule::Test::kMean ? mean(*values) : first_percentile(*values));
  }
  return any && least > rule.threshold;
}

}  // namespace terramill::corpus
