#include "world_optics.hpp"

#include "world_fields.hpp"

#include <algorithm>
#include <cmath>

namespace terramill::corpus::world {
namespace {

// In the order B1 B2 B3 B4 B5 B6 B7 B8A B8 B9 B10 B11 B12.
/// Reflectance of clean air under a high sun (Rayleigh scattering), of heavy aerosol, of a thin cirrus;
/// transmission.
constexpr Spectrum kAir = {.096f, .070f, .038f, .019f,  .014f, .011f, .009f,
                           .006f, .007f, .003f, .0011f, .001f, .001f};
constexpr Spectrum kAerosol = {.058f, .053f, .044f, .036f, .032f, .028f, .024f,
                               .018f, .019f, .008f, 0,     .006f, .004f};
constexpr Spectrum kCirrus = {.20f, .20f, .20f, .20f, .20f, .20f, .20f, .20f, .20f, .10f, .055f, .12f, .10f};
constexpr Spectrum kPassage = {.79f, .83f, .87f, .90f, .91f, .91f, .93f, .955f, .94f, .42f, 0, .945f, .93f};
constexpr Spectrum kCloudTop = {.62f, .62f, .63f, .64f,  .65f, .66f, .66f,
                                .67f, .67f, .45f, .012f, .42f, .34f};
/// Native resolution of each band in pixels of 10 m, and noise of a pixel in DN.
constexpr std::array<int, kBands> kFactor = {6, 1, 1, 1, 2, 2, 2, 2, 1, 6, 6, 2, 2};
constexpr Spectrum kNoise = {9, 14, 13, 14, 16, 18, 19, 20, 24, 14, 2, 16, 15};
constexpr std::size_t kB3 = 2, kB4 = 3, kB8 = 8, kB10 = 10;

}  // namespace

const OpticalImage& OpticalSensor::look(const World& world, const Site& site, const Scene& scene,
                                        const Surface& surface) {
  size_ = surface.size;
  const auto count = static_cast<std::size_t>(size_) * static_cast<std::size_t>(size_);
  image_.bands.resize(kBands * count);
  for (auto* map : {&image_.qa60, &image_.scl, &image_.cloudprob, &cloud_, &shadow_, &cirrus_})
    map->assign(count, 0);

  reflect(Ground(world, site, scene), scene, surface);
  for (std::size_t band = 0; band < kBands; ++band) {
    if (kFactor[band] > 1 && band != kB10) blur(band, kFactor[band]);
  }
  draw_clouds(site, scene);
  classify(scene, surface);
  transmit(scene);
  return image_;
}

/// The light that leaves the ground: its reflectance under Lambert's cosine law with a share of sky light.
void OpticalSensor::reflect(const Ground& ground, const Scene& scene, const Surface& surface) {
  const std::size_t count = surface.cover.size();
  const auto tangent = static_cast<float>(1 / std::tan(std::max(scene.sun_elevation, 0.15)));
  const auto east = tangent * static_cast<float>(std::sin(scene.sun_azimuth));
  const auto north = tangent * static_cast<float>(std::cos(scene.sun_azimuth));
  const auto base = static_cast<std::uint32_t>(mix(scene.key + 99));
  Spectrum spectrum;
  for (std::size_t i = 0; i < count; ++i) {
    const float e = surface.slope_east[i], n = surface.slope_north[i];
    const int cover = surface.cover[i];
    const bool water = cover == 80 || cover == 0;
    const float direct =
        std::max(0.0f, 1 - (water ? 0 : e * east + n * north)) / std::sqrt(1 + e * e + n * n);
    // Crowns and roofs cast shadows within a pixel.
    const float rough = cover == 10 || cover == 95 || cover == 50 ? 0.085f : cover == 20 ? 0.05f : 0.02f;
    const float grain =
        1 + 0.035f * surface.fine[i] + rough * bell(mix32(base + static_cast<std::uint32_t>(i)));
    const float factor = (0.2f + 0.8f * std::min(direct, 1.9f)) * grain;
    ground.reflect(surface, i, spectrum);
    for (std::size_t band = 0; band < kBands; ++band)
      image_.bands[band * count + i] = spectrum[band] * factor;
  }
}

/// Averages blocks of the band's native resolution, then interpolates between their centres.
void OpticalSensor::blur(std::size_t band, int factor) {
  const auto size = static_cast<std::size_t>(size_);
  const auto step = static_cast<std::size_t>(factor);
  const std::size_t cells = (size + step - 1) / step;
  float* const values = image_.bands.data() + band * size * size;
  blocks_.assign(cells * cells, 0);
  low_.resize(size);
  weight_.resize(size);
  for (std::size_t c = 0; c < size; ++c) {
    const float at = (static_cast<float>(c) + 0.5f) / static_cast<float>(step) - 0.5f;
    const float clipped = std::clamp(at, 0.0f, static_cast<float>(cells - 1));
    low_[c] = std::min(static_cast<std::size_t>(clipped), cells - 2);
    weight_[c] = clipped - static_cast<float>(low_[c]);
  }
  for (std::size_t r = 0; r < size; ++r) {
    float* const into = blocks_.data() + r / step * cells;
    const float* line = values + r * size;
    for (std::size_t i = 0; i < cells; ++i) {
      const std::size_t wide = std::min(step, size - i * step);
      float sum = 0;
      for (std::size_t k = 0; k < wide; ++k) sum += line[k];
      line += wide;
      into[i] += sum;
    }
  }
  for (std::size_t j = 0; j < cells; ++j) {
    const std::size_t rows = std::min(step, size - j * step);
    for (std::size_t i = 0; i < cells; ++i) {
      blocks_[j * cells + i] /= static_cast<float>(rows * std::min(step, size - i * step));
    }
  }
  line_.resize(cells);
  for (std::size_t r = 0; r < size; ++r) {
    const float* const below = blocks_.data() + low_[r] * cells;
    for (std::size_t i = 0; i < cells; ++i) line_[i] = below[i] + weight_[r] * (below[i + cells] - below[i]);
    for (std::size_t c = 0; c < size; ++c) {
      const float left = line_[low_[c]];
      values[r * size + c] = left + weight_[c] * (line_[low_[c] + 1] - left);
    }
  }
}

void OpticalSensor::draw_clouds(const Site& site, const Scene& scene) {
  // Clouds belong to the moment: their noise comes from the scene's key, not from the place.
  const auto shift = [&](double height) {
    const double reach = height / std::tan(std::max(scene.sun_elevation, 0.25));
    return std::array<double, 2>{reach * std::sin(scene.sun_azimuth), reach * std::cos(scene.sun_azimuth)};
  };
  const Points points{site.left, site.top, 10, size_};
  if (scene.cloud > 0) {
    const auto level = static_cast<float>(1.6 - 2.4 * scene.cloud);
    noise_.fill(mix(scene.key + kCloud), points, 1500, 6, 0.58f, cloud_);
    const auto [east, north] = shift(500 + 12 * static_cast<double>(scene.key % 100));
    noise_.fill(mix(scene.key + kCloud), {points.left + east, points.top + north, 10, size_}, 1500, 6, 0.58f,
                shadow_);
    for (float& v : cloud_) v = ramp(v, level, level + 0.55f);
    for (float& v : shadow_) v = ramp(v, level, level + 0.55f);
  }
  if (scene.cirrus > 0) {
    noise_.fill(mix(scene.key + 1 + kCloud), points, 4000, 4, 0.5f, cirrus_);
    for (float& v : cirrus_) v = static_cast<float>(scene.cirrus) * clamp01(0.55f + 0.4f * v);
  }
}

/// The quality layers, from the image at the ground and the clouds.
void OpticalSensor::classify(const Scene& scene, const Surface& surface) {
  const auto size = static_cast<std::size_t>(size_);
  const std::size_t count = size * size;
  const float *green = image_.bands.data() + kB3 * count, *red = image_.bands.data() + kB4 * count,
              *infrared = image_.bands.data() + kB8 * count,
              *shortwave = image_.bands.data() + (kB10 + 1) * count;
  for (std::size_t i = 0; i < count; ++i) {
    // QA60 is coarse: one value for 6 x 6 pixels.
    const std::size_t row = std::min(i / size / 6 * 6 + 3, size - 1),
                      column = std::min(i % size / 6 * 6 + 3, size - 1);
    const std::size_t centre = row * size + column;
    image_.qa60[i] = cloud_[centre] > 0.5f ? 1024.0f : cirrus_[centre] > 0.45f ? 2048.0f : 0.0f;
    if (scene.type != S2Type::kL2A) continue;
    const float doubt =
        0.06f * bell(mix32(static_cast<std::uint32_t>(scene.key) + static_cast<std::uint32_t>(i)));
    const float probability = clamp01(0.95f * cloud_[i] + 0.2f * cirrus_[i] + 0.02f + 0.3f * doubt);
    image_.cloudprob[i] = static_cast<float>(static_cast<int>(100 * probability * probability));
    const float ndvi = (infrared[i] - red[i]) / (infrared[i] + red[i] + 1e-4f) + doubt;
    const float ndsi = (green[i] - shortwave[i]) / (green[i] + shortwave[i] + 1e-4f);
    float scene_class = 5;  // not vegetated
    if (cloud_[i] > 0.7f) {
      scene_class = 9;
    } else if (cloud_[i] > 0.3f) {
      scene_class = 8;
    } else if (cirrus_[i] > 0.5f) {
      scene_class = 10;
    } else if (shadow_[i] > 0.5f) {
      scene_class = 3;
    } else if (ndsi > 0.42f && green[i] > 0.2f) {
      scene_class = 11;
    } else if (surface.cover[i] == 80 || surface.cover[i] == 0 || (infrared[i] < 0.05f && ndvi < 0.1f)) {
      scene_class = 6;
    } else if (infrared[i] < 0.07f) {
      scene_class = 2;  // dark, or in a slope's shadow
    } else if (ndvi > 0.38f) {
      scene_class = 4;
    } else if (ndvi > 0.3f) {
      scene_class = 7;
    }
    image_.scl[i] = scene_class;
  }
}

/// From reflectance at the ground to DN: atmosphere (what is left of it in L2A), cloud, gain and noise.
void OpticalSensor::transmit(const Scene& scene) {
  const auto count = static_cast<std::size_t>(size_) * static_cast<std::size_t>(size_);
  const bool ground_level = scene.type == S2Type::kL2A;
  const auto haze = static_cast<float>(scene.haze);
  // A low sun shines through more air.
  const auto mass = static_cast<float>(0.75 + 0.25 / std::sin(std::max(scene.sun_elevation, 0.2)));
  const auto brightness = static_cast<float>(scene.brightness);
  for (std::size_t band = 0; band < kBands; ++band) {
    float* const values = image_.bands.data() + band * count;
    // Correction to the ground leaves a part of the haze, or takes away too much.
    const float added = ground_level ? kAerosol[band] * (0.42f * haze - 0.06f)
                                     : kAir[band] * mass + kAerosol[band] * haze * mass;
    const float kept =
        ground_level ? 1 - 0.05f * haze : kPassage[band] * (1 - 0.12f * haze) / (0.8f + 0.2f * mass);
    const float gain = 1e4f * scene.gain[band];
    const auto base = static_cast<std::uint32_t>(mix(scene.key + 100 + band));
    for (std::size_t i = 0; i < count; ++i) {
      float value = values[i] * brightness * (1 - 0.42f * shadow_[i] * (1 - cloud_[i])) * kept + added;
      value += cirrus_[i] * (kCirrus[band] - 0.18f * value);
      value += cloud_[i] * (kCloudTop[band] - value);
      const float dn = value * gain + kNoise[band] * bell(mix32(base + static_cast<std::uint32_t>(i)));
      values[i] = std::min(std::max(dn, 1.0f), 20000.0f);  // 0 would mean no data
    }
    if (kFactor[band] == 6) blur(band, kFactor[band]);
    for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(static_cast<int>(values[i]));
  }
}

}  // namespace terramill::corpus::world
