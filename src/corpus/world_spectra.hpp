#pragma once

#include "world_parcels.hpp"

#include <terramill/corpus/world.hpp>

#include <array>
#include <cstddef>
#include <cstdint>

namespace terramill::corpus::world {

inline constexpr std::size_t kBands = 13;
using Spectrum = std::array<float, kBands>;

/// What a tile's ground looks like in its season: turns cover into reflectance at the ground.
class Ground {
 public:
  Ground(const World& world, const Site& site, const Scene& scene);
  /// The reflectance of point i of the surface, in the order of mmearth_s2_bands(); B10 sees no ground and is
  /// 0.
  void reflect(const Surface& surface, std::size_t i, Spectrum& out) const;
  /// 0 … 1: green leaf cover of a parcel's crop on the scene's date.
  float crop_green(std::uint32_t parcel) const noexcept;
  /// 0 … 1: needle-leaved share of the trees at point i.
  float needles(const Surface& surface, std::size_t i) const noexcept;

 private:
  struct Mixture;
  void mix_crowns(const Surface& surface, std::size_t i, float cover, Mixture& out) const;
  void mix_sward(float cover, Mixture& out) const;
  void mix_soil(const Surface& surface, std::size_t i, float weight, Mixture& out) const;
  void mix_crops(const Surface& surface, std::size_t i, Mixture& out) const;
  void mix_town(const Surface& surface, std::size_t i, Mixture& out) const;
  void mix_water(const Surface& surface, std::size_t i, Mixture& out) const;

  ParcelLayout layout_;
  float vigour_ = 1;     ///< of grass and herbs, 0 withered … 1 lush
  float leaf_ = 1;       ///< of deciduous trees, 0 bare … 1 full
  float deciduous_ = 0;  ///< share of the broad-leaved trees
  float needles_ = 0;    ///< regional share of the trees
  float sand_ = 0, rock_ = 0, hue_ = 1, turbid_ = 0, snow_ = 0;
  float season_ = 0;  ///< 0 … 1: time of the year, from midwinter
  std::uint32_t grain_ = 0;
};

}  // namespace terramill::corpus::world
