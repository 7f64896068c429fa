#include "world_noise.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>

namespace terramill::corpus::world {
namespace {

constexpr double kEarthRadius = 6371.0;  // km
// Standard deviations of single octaves, measured over many lattice cells.
constexpr double kSphereDeviation = 0.2700;
constexpr double kPlaneDeviation = 0.2157;

constexpr std::size_t kDirections = 256;
struct Direction {
  float x, y;
};
const std::array<Direction, kDirections>& directions() {
  static const std::array<Direction, kDirections> table = [] {
    std::array<Direction, kDirections> made{};
    for (std::size_t i = 0; i < kDirections; ++i) {
      const double angle = 2 * std::numbers::pi * static_cast<double>(i) / kDirections;
      made[i] = {static_cast<float>(std::cos(angle)), static_cast<float>(std::sin(angle))};
    }
    return made;
  }();
  return table;
}

template <typename T>
constexpr T fade(T t) {
  return t * t * t * (t * (t * 6 - 15) + 10);
}

/// Perlin's gradients: the twelve edges of a cube, four of them twice ("Improving noise", SIGGRAPH 2002).
constexpr double kEdges[16][3] = {{1, 1, 0},  {-1, 1, 0},  {1, -1, 0}, {-1, -1, 0}, {1, 0, 1},  {-1, 0, 1},
                                  {1, 0, -1}, {-1, 0, -1}, {0, 1, 1},  {0, -1, 1},  {0, 1, -1}, {0, -1, -1},
                                  {1, 1, 0},  {-1, 1, 0},  {0, -1, 1}, {0, -1, -1}};
double edge_dot(std::uint64_t hash, double x, double y, double z) {
  const double* const edge = kEdges[hash >> 60];
  return edge[0] * x + edge[1] * y + edge[2] * z;
}

double cell_noise(std::uint64_t key, double x, double y, double z) {
  const double fx = std::floor(x), fy = std::floor(y), fz = std::floor(z);
  const auto ix = static_cast<std::int64_t>(fx), iy = static_cast<std::int64_t>(fy),
             iz = static_cast<std::int64_t>(fz);
  x -= fx, y -= fy, z -= fz;
  const double sx = fade(x), sy = fade(y), sz = fade(z);
  double planes[2];
  for (int k = 0; k < 2; ++k) {
    double rows[2];
    for (int j = 0; j < 2; ++j) {
      const double a = edge_dot(lattice_hash(key, ix, iy + j, iz + k), x, y - j, z - k);
      const double b = edge_dot(lattice_hash(key, ix + 1, iy + j, iz + k), x - 1, y - j, z - k);
      rows[j] = a + sx * (b - a);
    }
    planes[k] = rows[0] + sy * (rows[1] - rows[0]);
  }
  return planes[0] + sz * (planes[1] - planes[0]);
}

}  // namespace

Vector3 on_sphere(double lon, double lat) {
  constexpr double kDegree = std::numbers::pi / 180;
  const double c = std::cos(lat * kDegree);
  return {c * std::cos(lon * kDegree), c * std::sin(lon * kDegree), std::sin(lat * kDegree)};
}

double sphere_noise(std::uint64_t key, const Vector3& point, double wavelength, int octaves, double gain) {
  double sum = 0, power = 0, amplitude = 1;
  double scale = kEarthRadius / wavelength;
  for (int octave = 0; octave < octaves; ++octave) {
    const std::uint64_t own = mix(key + static_cast<std::uint64_t>(octave));
    // Each octave has its own origin, so that no place is on every lattice.
    const double dx = unit(own), dy = unit(own, 16), dz = unit(own, 0);
    sum += amplitude * cell_noise(own, point[0] * scale + dx, point[1] * scale + dy, point[2] * scale + dz);
    power += amplitude * amplitude;
    amplitude *= gain;
    scale *= 2;
  }
  return sum / (kSphereDeviation * std::sqrt(power));
}

void PlaneNoise::fill(std::uint64_t key, const Points& points, double wavelength, int octaves, float gain,
                      std::span<float> out) {
  float power = 0, amplitude = 1;
  for (int octave = 0; octave < octaves; ++octave, amplitude *= gain) power += amplitude * amplitude;
  const float scale = 1.0f / std::sqrt(power);
  std::fill(out.begin(), out.end(), 0.0f);
  amplitude = scale;
  float unseen = 0;
  for (int octave = 0; octave < octaves; ++octave, amplitude *= gain, wavelength /= 2) {
    if (wavelength < 1.5 * points.step) {
      unseen += amplitude * amplitude;
    } else {
      add_octave(mix(key + static_cast<std::uint64_t>(octave)), points, wavelength,
                 static_cast<float>(amplitude / kPlaneDeviation), out);
    }
  }
  if (unseen == 0) return;
  const float strength = std::sqrt(unseen);
  const std::uint64_t corner = lattice_hash(key, std::llround(points.left), std::llround(points.top));
  const auto base = static_cast<std::uint32_t>(corner >> 32);
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] += strength * bell(mix32(base + static_cast<std::uint32_t>(i)));
}

void PlaneNoise::add_octave(std::uint64_t key, const Points& points, double wavelength, float amplitude,
                            std::span<float> out) {
  const double dx = unit(key) + 1, dy = unit(key, 16) + 1;
  const auto size = static_cast<std::size_t>(points.size);
  const double inverse = 1 / wavelength;
  const double x0 = (points.left + points.step / 2) * inverse + dx,
               y0 = (points.top - points.step / 2) * inverse + dy;
  const double pitch = points.step * inverse;
  const double first_x = std::floor(x0);
  const double last_y = std::floor(y0 - pitch * (points.size - 1));  // rows run to the south
  const auto nodes_x = static_cast<std::size_t>(std::floor(x0 + pitch * (points.size - 1)) - first_x) + 2;
  const auto nodes_y = static_cast<std::size_t>(std::floor(y0) - last_y) + 2;

  gradients_x_.resize(nodes_x * nodes_y);
  gradients_y_.resize(nodes_x * nodes_y);
  for (std::size_t j = 0; j < nodes_y; ++j) {
    for (std::size_t i = 0; i < nodes_x; ++i) {
      const std::uint64_t hash =
          lattice_hash(key, static_cast<std::int64_t>(first_x) + static_cast<std::int64_t>(i),
                       static_cast<std::int64_t>(last_y) + static_cast<std::int64_t>(j));
      const Direction& direction = directions()[hash >> 56];
      gradients_x_[j * nodes_x + i] = direction.x * amplitude;
      gradients_y_[j * nodes_x + i] = direction.y * amplitude;
    }
  }
  ends_.assign(nodes_x, 0);
  fraction_.resize(size);
  weight_.resize(size);
  for (std::size_t c = 0; c < size; ++c) {
    const double x = x0 + pitch * static_cast<double>(c) - first_x;
    const auto i = static_cast<std::size_t>(x);
    ends_[i] = c + 1;
    fraction_[c] = static_cast<float>(x - static_cast<double>(i));
    weight_[c] = fade(fraction_[c]);
  }
  // Along a row the noise of a lattice column is linear in x: slope * x + offset, weighted by the fade.
  slopes_.resize(nodes_x);
  offsets_.resize(nodes_x);
  for (std::size_t r = 0; r < size; ++r) {
    const double y = y0 - pitch * static_cast<double>(r) - last_y;
    const auto row = static_cast<std::size_t>(y);
    const auto fy = static_cast<float>(y - static_cast<double>(row));
    const float sy = fade(fy);
    for (std::size_t i = 0; i < nodes_x; ++i) {
      const std::size_t low = row * nodes_x + i, high = low + nodes_x;
      const float below = gradients_y_[low] * fy, above = gradients_y_[high] * (fy - 1);
      slopes_[i] = gradients_x_[low] + sy * (gradients_x_[high] - gradients_x_[low]);
      offsets_[i] = below + sy * (above - below);
    }
    float* const __restrict line = out.data() + r * size;
    const float* const __restrict fraction = fraction_.data();
    const float* const __restrict weight = weight_.data();
    for (std::size_t begin = 0, i = 0; begin < size; begin = ends_[i++]) {
      const float slope = slopes_[i], offset = offsets_[i], next_slope = slopes_[i + 1],
                  next_offset = offsets_[i + 1];
      for (std::size_t c = begin; c < ends_[i]; ++c) {
        const float left = slope * fraction[c] + offset;
        const float right = next_slope * (fraction[c] - 1) + next_offset;
        line[c] += left + weight[c] * (right - left);
      }
    }
  }
}

}  // namespace terramill::corpus::world
