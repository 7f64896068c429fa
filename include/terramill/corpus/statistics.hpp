#pragma once

#include <terramill/core/json.hpp>
#include <terramill/corpus/schema.hpp>
#include <terramill/corpus/tile.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace terramill::corpus {

/// Moments of one band over valid values. Integer bands add exactly (128-bit sums), so any order gives the
/// same; float bands add per tile in double and combine in row and shard order, compensated (Neumaier, ZAMM
/// 54, 1974).
struct BandMoments {
  std::uint64_t count = 0;
  double sum = 0, sum_of_squares = 0;              ///< float bands; integer bands: unused
  double sum_error = 0, sum_of_squares_error = 0;  ///< what rounding has lost of the two sums
  __extension__ __int128 integer_sum = 0, integer_sum_of_squares = 0;
  double min = std::numeric_limits<double>::infinity();
  double max = -std::numeric_limits<double>::infinity();

  void merge(const BandMoments& other);
  double mean() const;                ///< NaN without values
  double standard_deviation() const;  ///< population, sqrt(E[x^2] - mean^2); NaN without values
};

/// The moments of one tile: [modality of the schema][band]. Empty for a modality without statistics or
/// without data.
using TileMoments = std::vector<std::vector<BandMoments>>;

/// Whether a modality has band statistics: measured ones and quality masks; not classes and one-hot vectors.
bool has_statistics(const Modality& modality) noexcept;

/// Measures a tile. A value that equals the modality's no-data value is left out, as is every NaN or infinite
/// one; so is a modality that the tile lacks, unless `absent_too` (the reference takes what fills it for
/// data).
TileMoments measure(const Schema& schema, const Tile& tile, bool absent_too = false);

/// Statistics of a corpus or a part of it. The key is the modality's name, but "sentinel2" and its masks are
/// kept apart by processing level as the official files do: "sentinel2_l2a", "sentinel2_l1c".
class Statistics {
 public:
  explicit Statistics(const Schema& schema);
  void add(const Tile& tile) { add(measure(*schema_, tile), tile.record.s2_type); }
  /// Adds a measured tile `times` times.
  void add(const TileMoments& tile, S2Type type, std::uint64_t times = 1);
  /// `later` follows in shard order.
  void merge(const Statistics& later);

  /// {key: {"mean": [..C], "std": [..C], "min": [..C], "max": [..C]}}, the official form; NaN and infinities
  /// where a band has no valid value.
  Json to_json() const;
  /// A lossless binary form, for parts of an unfinished build.
  std::vector<std::byte> serialise() const;
  static Statistics deserialise(const Schema& schema, std::span<const std::byte> bytes);

 private:
  std::shared_ptr<const Schema> schema_;
  std::map<std::string, std::vector<BandMoments>> bands_;
};

/// Mean and std per band, read from band_stats.json.
struct BandStatistics {
  std::vector<double> mean, std, min, max;
};
using StatisticsTable = std::map<std::string, BandStatistics>;
StatisticsTable read_statistics(const std::filesystem::path& path);
/// The key in band_stats.json for a modality of a tile of that Sentinel-2 type.
std::string statistics_key(const Schema& schema, const Modality& modality, S2Type type);

}  // namespace terramill::corpus
