#pragma once

#include <terramill/corpus/world.hpp>

#include <string>
#include <vector>

namespace terramill::corpus {

/// Sentinel-2 bands and quality layers of a scene, in the order of the merged GeoTIFF.
std::vector<std::string> optical_bands(const Scene& scene);
/// Polarisations of an orbit; empty when it is missing.
std::vector<std::string> radar_bands(Polarisation polarisation);

}  // namespace terramill::corpus
