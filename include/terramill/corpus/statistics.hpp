#pragma once

#include <terramill/core/json.hpp>
#include <terramill/corpus/schema.hpp>
#include <terramill/corpus/tile.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace terramill::corpus {

/// Moments of one band over valid values. Integer bands add exactly (128-bit sums), so any order gives the
/// same; float bands add per tile in double and combine in row and shard order.
struct BandMoments {
  std::uint64_t count = 0;
  double sum = 0, sum_of_squares = 0;  ///< float bands: compensated sums; integer bands: unused
  __extension__ __int128 integer_sum = 0, integer_sum_of_squares = 0;
  double min = std::numeric_limits<double>::infinity();
  double max = -std::numeric_limits<double>::infinity();

  void merge(const BandMoments& other);
  double mean() const;                ///< NaN without values
  double standard_deviation() const;  ///< population, sqrt(E[x^2] - mean^2); NaN without values
};

/// Statistics of a corpus or a part of it. The key is the modality's name, but "sentinel2" and its masks are
/// kept apart by processing level as the official files do: "sentinel2_l2a", "sentinel2_l1c".
class Statistics {
 public:
  explicit Statistics(const Schema& schema);
  void add(const Tile& tile);
  /// `later` follows in shard order.
  void merge(const Statistics& later);

  /// {key: {"mean": [..C], "std": [..C], "min": [..C], "max": [..C]}}, the official form; NaN and infinities
  /// where a band has no valid value.
  Json to_json() const;
  /// A lossless binary form, for parts of an unfinished build.
  std::vector<std::byte> serialise() const;
  static Statistics deserialise(const Schema& schema, std::span<const std::byte> bytes);

 private:
  Schema schema_;
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
