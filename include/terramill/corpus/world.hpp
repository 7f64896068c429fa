#pragma once

#include <terramill/corpus/tile.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace terramill::corpus {

/// How the tiles of an invented corpus are spread.
enum class Locations : std::uint8_t {
  kNatural,  ///< uniform over the land's area
  kBiome,    ///< as many in each of the 14 biomes
};

struct WorldOptions {
  std::uint64_t seed = 0;
  int size = 64;  ///< pixels of 10 m along a tile's side
  Locations locations = Locations::kNatural;
  double ocean_share = 0.1;    ///< of tile locations that lie at sea
  double cluster_share = 0.3;  ///< of tiles that lie in groups of eight within 9 km
};

/// The regional climate at a place.
struct Climate {
  double elevation = 0;      ///< m, without local relief; below 0 at sea
  double temperature = 0;    ///< °C, annual mean at that elevation
  double season = 0;         ///< K, half the range of the monthly means
  double moisture = 0;       ///< 0 desert … 1 rain forest
  double precipitation = 0;  ///< m a year
  double relief = 0;         ///< m, standard deviation of the local relief
  double people = 0;         ///< about -2.5 … 2.5: how densely the land is settled
  int biome = 0;             ///< 0 … 13, numbered as in MMEarth; at sea that of a coast with this climate
  int eco_region = 0;        ///< 0 … 845; each belongs to one biome, in the official ranges

  /// °C, mean of month 1 … 12 at `lat`.
  double monthly_temperature(int month, double lat) const noexcept;
  /// m, sum of month 1 … 12 at `lat`.
  double monthly_precipitation(int month, double lat) const noexcept;
};

/// Where a tile lies: its climate and its pixel grid in UTM.
struct Site {
  double lon = 0, lat = 0;  ///< degrees, WGS 84, of the tile's centre, to within half a pixel
  int epsg = 32601;
  double left = 0, top = 0;  ///< m, of the tile's upper left corner
  Climate climate;
};

/// Polarisations of one Sentinel-1 orbit.
enum class Polarisation : std::uint8_t { kNone, kVv, kVvVh, kHh, kHhHv };

/// What a tile's images owe to the moment and the sensors. Date and sun depend on the latitude (no image is
/// taken at night); the rest depends on nothing but the seed and the tile's number.
struct Scene {
  int year = 2017, month = 1, day = 1;
  S2Type type = S2Type::kL2A;
  double sun_elevation = 0, sun_azimuth = 0;  ///< radians; azimuth from north to the east
  double brightness = 1;                      ///< gain common to all bands
  std::array<float, 13> gain{};               ///< of each band, in the order of mmearth_s2_bands()
  double haze = 0;                            ///< 0 clear … 1 heavy aerosol
  double cirrus = 0, cloud = 0,
         snow = 0;                ///< 0 … 1: thin cloud, share under thick cloud, depth of seasonal snow
  bool cloud_probability = true;  ///< L2A delivers MSK_CLDPRB
  bool dynamic_world = true, era5 = true;  ///< these are there
  std::array<Polarisation, 2> radar{};     ///< ascending, descending orbit
  std::array<double, 2> incidence{};       ///< radians
  std::array<double, 2> radar_gain{};      ///< dB
  double wind = 0;                         ///< 0 … 1: roughness of open water
  std::uint64_t key = 0;                   ///< of the noise per pixel
};

/// An invented world: a deterministic function of (seed, place). Terrain, climate and land cover go together;
/// what a tile's images owe to season and sensors is independent of its land cover. Thread-safe.
class World {
 public:
  /// UsageError for a size below 8 or above 4096 or a share outside [0, 1].
  explicit World(const WorldOptions& options);
  ~World();
  World(World&&) noexcept;

  const WorldOptions& options() const noexcept { return options_; }
  Climate climate(double lon, double lat) const;
  /// Where tile i lies. It does not depend on how many tiles there are. Latitudes -60 … 80 only: Sentinel-2
  /// sees little of the rest.
  Site site(std::uint64_t i) const;
  Scene scene(std::uint64_t i, const Site& site) const;
  /// Of a field of the world, by its number.
  std::uint64_t key(std::uint32_t field) const noexcept;

  /// "10000000" + i: the same width for 90 million tiles.
  static std::string tile_id(std::uint64_t i);

 private:
  struct Atlas;  ///< per biome, places where it is found
  double continental_noise(const std::array<double, 3>& point) const;
  double base_elevation(const std::array<double, 3>& point) const;
  std::array<double, 2> draw_place(std::uint64_t a, std::uint64_t b) const;

  WorldOptions options_;
  std::array<std::uint64_t, 64> keys_{};
  double sea_level_ = 0;  ///< of the continental noise: three tenths of the sphere lie above
  std::unique_ptr<const Atlas> atlas_;
};

/// The surface of a square of points: what is there, before any sensor looks at it. Maps are [size, size],
/// row by row from the north.
struct Surface {
  int size = 0;
  double step = 10;                            ///< m between points
  std::vector<std::uint8_t> cover;             ///< ESA WorldCover codes; 0 in the open sea
  std::vector<float> elevation;                ///< m
  std::vector<float> slope_east, slope_north;  ///< rise per metre to the east and to the north
  std::vector<std::uint32_t> parcel;           ///< number of the field, block or street; 0 outside of any
  std::vector<float> woods, soil, wet, fine;   ///< noise of unit deviation that the cover was drawn from
};

/// Draws surfaces. Holds scratch memory: one per thread.
class Surveyor {
 public:
  explicit Surveyor(const World& world);
  ~Surveyor();
  Surveyor(Surveyor&&) noexcept;
  /// The tile's surface with `margin` pixels more on each side, at 10 m. Valid until the next call.
  const Surface& survey(const Site& site, int margin);
  /// Pixels per class of the tile, estimated from 6 x 6 points; they add up to size x size.
  std::array<std::uint32_t, kLandCoverClasses> estimate(const Site& site);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace terramill::corpus
