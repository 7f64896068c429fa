#include "synth_info.hpp"

#include "world_fields.hpp"
#include "world_noise.hpp"

#include <terramill/core/philox.hpp>
#include <terramill/corpus/schema.hpp>
#include <terramill/corpus/synth.hpp>

#include <algorithm>
#include <array>
#include <cstdio>

namespace terramill::corpus {
namespace {

constexpr double kFreezing = 273.15;  // K

std::string digits(const char* format, int a, int b, int c = 0) {
  char text[16];
  std::snprintf(text, sizeof(text), format, a, b, c);
  return text;
}

std::string date_of(const Scene& scene) {
  return digits("%04d-%02d-%02d", scene.year, scene.month, scene.day);
}

/// A month's mean, minimum and maximum temperature in K and its precipitation in m, with the weather of that
/// year.
std::array<double, 4> weather(const Climate& climate, double lat, int month,
                              const std::array<double, 2>& anomaly) {
  const double mean = kFreezing + climate.monthly_temperature(month, lat) + anomaly[0];
  const double range = 5 + 7 * (1 - climate.moisture);
  return {mean, mean - range, mean + range, climate.monthly_precipitation(month, lat) * anomaly[1]};
}

/// ERA5's three groups of four values: the month before, the scene's month, and the thirteen months that end
/// with it.
Json era5_values(const World& world, std::uint64_t i, const Site& site, const Scene& scene) {
  Json json;
  if (!scene.era5) {
    for (const char* period : {"month1", "month2", "year"})
      json[period] = {nullptr, nullptr, nullptr, nullptr};
    return json;
  }
  PhiloxStream random(world.options().seed, Purpose::kWorld, i, world::kWeatherDraw);
  std::array<double, 4> year{0, 1e9, -1e9, 0};
  constexpr int kMonths = 13;
  for (int back = kMonths - 1; back >= 0; --back) {
    const std::array<double, 2> anomaly{1.2 * random.normal(), random.uniform(0.6, 1.4)};
    const int month = (scene.month - 1 - back + 24) % 12 + 1;
    const auto values = weather(site.climate, site.lat, month, anomaly);
    year[0] += values[0] / kMonths;
    year[1] = std::min(year[1], values[1]);
    year[2] = std::max(year[2], values[2]);
    year[3] += values[3];
    if (back == 1) json["month1"] = values;
    if (back == 0) json["month2"] = values;
  }
  json["year"] = year;
  return json;
}

Json era5_bands(const Scene& scene) {
  Json names = Json::array();
  for (int back = 1; back >= 0; --back) {
    const bool wraps = scene.month - back == 0;
    const std::string month =
        digits("%04d%02d", wraps ? scene.year - 1 : scene.year, wraps ? 12 : scene.month - back);
    for (const char* band :
         {"temperature_2m", "temperature_2m_min", "temperature_2m_max", "total_precipitation_sum"}) {
      names.push_back(month + "_" + band);
    }
  }
  for (const char* band : {"0_temperature_2m_mean", "1_temperature_2m_min_min", "2_temperature_2m_max_max",
                           "3_total_precipitation_sum_sum"}) {
    names.push_back(band);
  }
  return names;
}

/// Percent of cloudy pixels that a scene's clouds come to, roughly: the noise they are cut from varies by
/// tile.
float estimate_cloud(const Scene& scene) {
  const auto part = [&](std::uint64_t salt) { return world::unit(world::mix(scene.key + salt)); };
  const float thick = scene.cloud > 0.02 ? static_cast<float>(2.4 * scene.cloud) - 1 + 0.75f * part(1) : 0;
  const float thin = world::ramp(static_cast<float>(scene.cirrus) - 0.25f * part(2), 0.6f, 0.9f);
  const float share = std::max(world::clamp01(thick), thin);
  return 100 * share;
}

}  // namespace

std::vector<std::string> optical_bands(const Scene& scene) {
  std::vector<std::string> names;
  const bool ground_level = scene.type == S2Type::kL2A;
  for (const std::string& band : mmearth_s2_bands()) {
    if (!(ground_level && band == "B10")) names.push_back(band);
  }
  if (ground_level && scene.cloud_probability) names.push_back("MSK_CLDPRB");
  if (ground_level) names.push_back("SCL");
  names.push_back("QA60");
  return names;
}

std::vector<std::string> radar_bands(Polarisation polarisation) {
  switch (polarisation) {
    case Polarisation::kNone:
      break;
    case Polarisation::kVv:
      return {"VV"};
    case Polarisation::kVvVh:
      return {"VV", "VH"};
    case Polarisation::kHh:
      return {"HH"};
    case Polarisation::kHhHv:
      return {"HH", "HV"};
  }
  return {};
}

Json invented_tile_info(const World& world, std::uint64_t i) {
  const Site site = world.site(i);
  const Scene scene = world.scene(i, site);
  Json json;
  json["S2_DATE"] = date_of(scene);
  json["S2_type"] = scene.type == S2Type::kL2A ? "l2a" : "l1c";
  json["CRS"] = "EPSG:" + std::to_string(site.epsg);
  json["lat"] = site.lat;
  json["lon"] = site.lon;
  json["biome"] = site.climate.biome;
  json["eco_region"] = site.climate.eco_region;
  json["NO_DATA"] = false;
  json[kSyntheticKey] = true;
  Json& bands = json["BANDS"];
  bands["sentinel2"] = optical_bands(scene);
  for (const std::size_t orbit : {0u, 1u}) {
    const auto names = radar_bands(scene.radar[orbit]);
    bands[orbit == 0 ? "sentinel1_asc" : "sentinel1_desc"] = names.empty() ? Json(nullptr) : Json(names);
  }
  bands["aster"] = {"b1", "slope"};
  if (scene.dynamic_world) bands["dynamic_world"] = {"label"};
  bands["canopy_height_eth"] = {"height", "std"};
  bands["esa_worldcover"] = {"Map"};
  bands["era5"] = era5_bands(scene);
  json["era5"] = era5_values(world, i, site, scene);
  return json;
}

TileRecord invented_record(const World& world, Surveyor& surveyor, std::uint64_t i) {
  const Site site = world.site(i);
  const Scene scene = world.scene(i, site);
  TileRecord record;
  record.tile_id = World::tile_id(i);
  record.lon = site.lon;
  record.lat = site.lat;
  record.crs = "EPSG:" + std::to_string(site.epsg);
  record.transform = {site.left, 10, 0, site.top, 0, -10};
  record.date = date_of(scene);
  record.s2_type = scene.type;
  record.biome = static_cast<std::int16_t>(site.climate.biome);
  record.eco_region = static_cast<std::int16_t>(site.climate.eco_region);
  record.land_cover = surveyor.estimate(site);
  record.cloud = estimate_cloud(scene);

  static const Schema schema = mmearth_schema(8);
  const auto bit = [&](const char* modality) { return 1u << schema.index_of(modality); };
  static const std::uint32_t always = bit("sentinel2") | bit("sentinel2_cloudmask") | bit("aster") |
                                      bit("lat") | bit("lon") | bit("month") | bit("biome") |
                                      bit("eco_region");
  static const std::uint32_t radar = bit("sentinel1"), scl = bit("sentinel2_scl"),
                             clouds = bit("sentinel2_cloudprod"), labels = bit("dynamic_world"),
                             era5 = bit("era5"), land = bit("canopy_height_eth") | bit("esa_worldcover");
  const bool ground_level = scene.type == S2Type::kL2A;
  record.present = always;
  if (scene.radar[0] != Polarisation::kNone || scene.radar[1] != Polarisation::kNone) record.present |= radar;
  if (ground_level) record.present |= scl;
  if (ground_level && scene.cloud_probability) record.present |= clouds;
  if (scene.era5) record.present |= era5;
  if (record.land_cover[0] < static_cast<std::uint32_t>(world.options().size * world.options().size)) {
    record.present |= land;
    if (scene.dynamic_world) record.present |= labels;
  }
  return record;
}

}  // namespace terramill::corpus
