#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace terramill::corpus::world {

/// Mixes 64 bits well (the finaliser of splitmix64: Steele, Lea and Flood, OOPSLA 2014, figure 15).
constexpr std::uint64_t mix(std::uint64_t x) noexcept {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}
/// The hash of a lattice point under a key.
constexpr std::uint64_t lattice_hash(std::uint64_t key, std::int64_t x, std::int64_t y,
                                     std::int64_t z = 0) noexcept {
  return mix(key + static_cast<std::uint64_t>(x) * 0x8cb92ba72f3d8dd7ULL +
             static_cast<std::uint64_t>(y) * 0xd6e8feb86659fd93ULL +
             static_cast<std::uint64_t>(z) * 0xa0761d6478bd642fULL);
}
/// A cheap 32-bit mixer for noise per pixel (Wellons, "Prospecting for hash functions", lowbias32).
constexpr std::uint32_t mix32(std::uint32_t x) noexcept {
  x = (x ^ (x >> 16)) * 0x7feb352du;
  x = (x ^ (x >> 15)) * 0x846ca68bu;
  return x ^ (x >> 16);
}
/// Uniform in [0, 1) from a hash: its bits from `shift` on.
constexpr float unit(std::uint64_t hash, int shift = 40) noexcept {
  return static_cast<float>((hash >> shift) & 0xffffffu) * 0x1p-24f;
}
/// Nearly normal, mean 0 and standard deviation 1, from 32 hashed bits: the sum of their bytes.
constexpr float bell(std::uint32_t hash) noexcept {
  const std::uint32_t sum = (hash & 255u) + ((hash >> 8) & 255u) + ((hash >> 16) & 255u) + (hash >> 24);
  return (static_cast<float>(sum) - 510.0f) * (1.0f / 147.8f);
}
constexpr float clamp01(float x) noexcept { return x < 0 ? 0 : x > 1 ? 1 : x; }
constexpr float ramp(float x, float low, float high) noexcept { return clamp01((x - low) / (high - low)); }

using Vector3 = std::array<double, 3>;
/// The point of the unit sphere at a longitude and latitude in degrees.
Vector3 on_sphere(double lon, double lat);

/// Fractal gradient noise on the sphere, of about unit standard deviation: `octaves` octaves, the first of
/// `wavelength` km, each half as long as the one before and `gain` times as strong.
double sphere_noise(std::uint64_t key, const Vector3& point, double wavelength, int octaves, double gain);

/// Square sample points in projected metres, row by row from the upper left: point (r, c) is at
/// (left + (c + 1/2) step, top - (r + 1/2) step).
struct Points {
  double left = 0, top = 0, step = 10;
  int size = 0;
  int count() const noexcept { return size * size; }
};

/// Fractal gradient noise in the plane. Holds scratch memory: one per thread.
class PlaneNoise {
 public:
  /// Fills `out` [size, size] with noise of about unit standard deviation; wavelength in metres. Octaves that
  /// the points are too coarse to show become white noise of the same strength.
  void fill(std::uint64_t key, const Points& points, double wavelength, int octaves, float gain,
            std::span<float> out);

 private:
  void add_octave(std::uint64_t key, const Points& points, double wavelength, float amplitude,
                  std::span<float> out);
  std::vector<float> gradients_x_, gradients_y_;  ///< of the lattice nodes
  std::vector<float> slopes_, offsets_;           ///< of one pixel row, per lattice column
  std::vector<std::size_t> ends_;                 ///< per lattice column, the first pixel column beyond it
  std::vector<float> fraction_, weight_;
};

}  // namespace terramill::corpus::world
