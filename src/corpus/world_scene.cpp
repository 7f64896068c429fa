#include "world_fields.hpp"
#include "world_noise.hpp"

#include <terramill/core/philox.hpp>
#include <terramill/corpus/world.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numbers>

namespace terramill::corpus {
namespace {

constexpr double kRadians = std::numbers::pi / 180;

/// Sets the sun of a Sentinel-2 overpass, half past ten local solar time, on day 1 … 366 of the year.
void set_sun(Scene& scene, int day_of_year, double lat) {
  const double declination = -23.44 * kRadians * std::cos(2 * std::numbers::pi * (day_of_year + 10) / 365.25);
  const double hour = -22.5 * kRadians;
  const double phi = lat * kRadians;
  const double sine =
      std::sin(phi) * std::sin(declination) + std::cos(phi) * std::cos(declination) * std::cos(hour);
  scene.sun_elevation = std::asin(std::clamp(sine, -1.0, 1.0));
  const double east = -std::cos(declination) * std::sin(hour);
  const double north =
      std::cos(phi) * std::sin(declination) - std::sin(phi) * std::cos(declination) * std::cos(hour);
  scene.sun_azimuth = std::atan2(east, north);
}

/// A day of the four years 2017 … 2020 on which the sun stands high enough.
void draw_date(Scene& scene, PhiloxStream& random, double lat) {
  using namespace std::chrono;
  constexpr auto kFirst = sys_days{January / 1 / 2017}, kEnd = sys_days{January / 1 / 2021};
  for (int trial = 0; trial < 200; ++trial) {
    const auto after = static_cast<int>(random.below(static_cast<std::uint64_t>((kEnd - kFirst).count())));
    const sys_days day = kFirst + days{after};
    const year_month_day date{day};
    scene.year = static_cast<int>(date.year());
    scene.month = static_cast<int>(static_cast<unsigned>(date.month()));
    scene.day = static_cast<int>(static_cast<unsigned>(date.day()));
    set_sun(scene, static_cast<int>((day - sys_days{date.year() / January / 1}).count()) + 1, lat);
    if (scene.sun_elevation > 14 * kRadians) return;
  }
}

/// Sentinel-1 in its usual polarisations, or those of the polar regions.
Polarisation draw_polarisation(PhiloxStream& random, double lat, double missing) {
  const double u = random.uniform(), v = random.uniform(), w = random.uniform();
  if (u < missing) return Polarisation::kNone;
  const bool single = v < 0.06;
  const bool polar = w < (std::abs(lat) > 66 ? 0.5 : 0.004);
  if (polar) return single ? Polarisation::kHh : Polarisation::kHhHv;
  return single ? Polarisation::kVv : Polarisation::kVvVh;
}

}  // namespace

Scene World::scene(std::uint64_t i, const Site& site) const {
  Scene scene;
  // The date has a stream of its own: how many trials it takes depends on the latitude.
  PhiloxStream dates(options_.seed, Purpose::kWorld, i, world::kDateDraw);
  draw_date(scene, dates, site.lat);

  PhiloxStream random(options_.seed, Purpose::kWorld, i, world::kSceneDraw);
  scene.key = random.next_u64();
  scene.type = random.uniform() < 0.5 ? S2Type::kL2A : S2Type::kL1C;
  scene.brightness = std::exp(0.09 * random.normal());
  for (float& gain : scene.gain) gain = static_cast<float>(1 + 0.022 * random.normal());
  scene.haze = std::pow(random.uniform(), 2.2);
  scene.cirrus = std::max(0.0, random.uniform() - 0.88) / 0.12;
  // Images with more than a tenth of cloud are not taken, but a tile is a small part of an image.
  scene.cloud = random.uniform() < 0.13 ? 0.75 * std::pow(random.uniform(), 2.0) : 0.0;
  const double snowfall = random.uniform(), depth = random.uniform();
  const double frost = -2 - site.climate.monthly_temperature(scene.month, site.lat);
  scene.snow = frost > 0 && snowfall < 0.75 ? depth * std::min(1.0, frost / 7) : 0.0;
  scene.cloud_probability = random.uniform() >= 0.012;
  scene.dynamic_world = random.uniform() >= 0.02;
  scene.era5 = random.uniform() >= 0.015;
  const bool radar = random.uniform() >= 0.035;
  for (std::size_t orbit = 0; orbit < 2; ++orbit) {
    scene.radar[orbit] = draw_polarisation(random, site.lat, orbit == 0 ? 0.09 : 0.13);
    if (!radar) scene.radar[orbit] = Polarisation::kNone;
    scene.incidence[orbit] = random.uniform(30, 45) * kRadians;
    scene.radar_gain[orbit] = 0.45 * random.normal();
  }
  scene.wind = random.uniform();
  return scene;
}

}  // namespace terramill::corpus
