#pragma once

#include "world_spectra.hpp"

#include <terramill/corpus/world.hpp>

#include <vector>

namespace terramill::corpus::world {

/// How many bands an orbit of these polarisations has: 0, 1 or 2.
int bands_of(Polarisation polarisation) noexcept;

/// Fills `out` [bands, size, size] with the backscatter of one orbit in dB, as Sentinel-1's ground range
/// product has it: by cover and season, with speckle (gamma distributed intensity), slopes towards and away
/// from the sensor, and the orbit's gain. `orbit`: 0 ascending, looking east; 1 descending, looking west.
void look_by_radar(const Ground& ground, const Scene& scene, const Surface& surface, int orbit, float* out);

}  // namespace terramill::corpus::world
