// band_stats.json of a corpus built with --compat reference against the one that MMEarth's own script
// computed from the same tiles (utils/normalization.py of MMEarth-data). Tolerance: 1e-13 relative, since the
// script's sums are float64 in another order and ours of integers are exact; extremes are equal.

#include "mpi/corpus/raw_corpus.hpp"

#include <terramill/core/json.hpp>
#include <terramill/corpus/manifest.hpp>

#include <cmath>

namespace terramill::corpus {
namespace {

using OfficialStatistics = RawCorpusTest;

bool close(double ours, double theirs, double tolerance) {
  return ours == theirs || (std::isnan(ours) && std::isnan(theirs)) ||
         std::abs(ours - theirs) <= tolerance * std::abs(theirs);
}

TEST_F(OfficialStatistics, AreReproduced) {
  const auto official = raw_folder() / "../../official/data_tiny_v001_64/data_tiny_v001_64_band_stats.json";
  BuildOptions reference = options("reference");
  reference.source.reference = true;
  build(world_, reference);
  if (world_.rank() != 0) return;
  const Json ours = read_json(reference.output / kStatisticsFile), theirs = read_json(official);
  EXPECT_EQ(ours.size(), theirs.size());
  for (const auto& [key, entry] : theirs.items()) {
    ASSERT_TRUE(ours.contains(key)) << key;
    for (const auto& [statistic, values] : entry.items()) {
      const double tolerance = statistic == "mean" || statistic == "std" ? 1e-13 : 0;
      const Json& own = ours.at(key).at(statistic);
      ASSERT_EQ(own.size(), values.size()) << key;
      for (std::size_t band = 0; band < values.size(); ++band) {
        EXPECT_TRUE(close(own.at(band), values.at(band), tolerance))
            << key << ' ' << statistic << " of band " << band << ": " << own.at(band) << ", official "
            << values.at(band);
      }
    }
  }
}

TEST_F(OfficialStatistics, AreNotWhatARightBuildGives) {
  const BuildOptions right = options("right");
  build(world_, right);
  if (world_.rank() != 0) return;
  // The official statistics take canopy no-data, stored as 127, for a height.
  EXPECT_LT(read_json(right.output / kStatisticsFile).at("canopy_height_eth").at("max").at(0), 127);
}

}  // namespace
}  // namespace terramill::corpus
