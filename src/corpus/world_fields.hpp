#pragma once

#include <cstdint>

namespace terramill::corpus::world {

/// Numbers of the world's random fields, for World::key. They are part of the results: append, never
/// renumber.
enum Field : std::uint32_t {
  kContinents,
  kMountains,
  kRelief,
  kMoisture,
  kWarmth,
  kPeople,
  kEcoRegions,
  kTerrain,
  kWoods,
  kSoil,
  kWet,
  kRiver,
  kTown,
  kFine,
  kParcels,
  kRegion,
  kNeedles,
  kConfusion,
  kCanopy,
  kCloud,
};

/// Purposes of the random streams of one tile, beside its number.
enum Draw : std::uint64_t { kGroupDraw = 1, kPlaceDraw, kSceneDraw, kDateDraw, kWeatherDraw };

}  // namespace terramill::corpus::world
