#pragma once

#include "geotiff_mapping.hpp"
#include "geotiff_reader.hpp"

#include <terramill/core/expected.hpp>
#include <terramill/geo/raster.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace terramill::corpus {

/// Decides per place and modality whether its values carry the radiometric offset, from all pixels of the
/// place, so that every tile cut from it agrees. Thread-safe; decisions are kept.
class Offsets {
 public:
  Offsets(const Mapping& mapping, std::size_t places);

  /// What is to be taken off the values of modality `slot`: 0 or the rule's amount.
  Expected<double, geo::RasterFault> of(std::size_t place, std::size_t slot, PlaceRasters& rasters) const;

 private:
  enum Decision : std::int8_t { kUnknown = 0, kKeep = 1, kTakeOff = 2 };
  Expected<bool, geo::RasterFault> measure(std::size_t place, std::size_t slot, PlaceRasters& rasters) const;

  const Mapping& mapping_;
  std::unique_ptr<std::atomic<std::int8_t>[]> decisions_;
};

}  // namespace terramill::corpus
