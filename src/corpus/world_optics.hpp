#pragma once

#include "world_noise.hpp"
#include "world_spectra.hpp"

#include <terramill/corpus/world.hpp>

#include <cstdint>
#include <vector>

namespace terramill::corpus::world {

/// A Sentinel-2 image and its quality layers, each [size, size].
struct OpticalImage {
  std::vector<float> bands;  ///< [13, size, size], DN = reflectance x 1e4, in the order of mmearth_s2_bands()
  std::vector<float> qa60, scl,
      cloudprob;  ///< as Earth Engine delivers them; SCL and probability for L2A only
};

/// Looks at surfaces as Sentinel-2 does: light on slopes, adjacency of native resolutions, atmosphere, clouds
/// and their shadows, sensor gain and noise. Holds scratch memory: one per thread.
class OpticalSensor {
 public:
  /// Valid until the next call.
  const OpticalImage& look(const World& world, const Site& site, const Scene& scene, const Surface& surface);

 private:
  void draw_clouds(const Site& site, const Scene& scene);
  void reflect(const Ground& ground, const Scene& scene, const Surface& surface);
  void blur(std::size_t band, int factor);
  void transmit(const Scene& scene);
  void classify(const Scene& scene, const Surface& surface);

  PlaneNoise noise_;
  OpticalImage image_;
  int size_ = 0;
  std::vector<float> cloud_, shadow_, cirrus_, blocks_, line_, weight_;
  std::vector<std::size_t> low_;
};

}  // namespace terramill::corpus::world
