#include "spatial_split.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/philox.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>

namespace terramill::corpus {
namespace {

constexpr double kBlockDegrees = 0.25;
constexpr int kRows = 720;
/// Row number of tiles without a location; no latitude has it.
constexpr std::uint64_t kNowhere = std::numeric_limits<std::uint64_t>::max();

}  // namespace

void check_shares(const SourceOptions& options) {
  const auto share = [](double value) { return value >= 0 && value <= 1; };
  if (share(options.validation_share) && share(options.test_share) &&
      options.validation_share + options.test_share <= 1) {
    return;
  }
  throw UsageError("the shares of validation and test are not between 0 and 1, or exceed 1 together",
                   {"split the corpus",
                    std::to_string(options.validation_share) + " and " + std::to_string(options.test_share),
                    "for example 0.05 and 0.05"});
}

Split split_of(double lon, double lat, const std::string& tile_id, const SourceOptions& options) {
  std::uint64_t row = kNowhere, column = 0;
  if (std::isfinite(lon) && std::isfinite(lat)) {
    const int band = std::clamp(static_cast<int>(std::floor((lat + 90) / kBlockDegrees)), 0, kRows - 1);
    const double middle = (band + 0.5) * kBlockDegrees - 90;
    const double around = 360 / kBlockDegrees * std::cos(middle * std::numbers::pi / 180);
    const int columns = std::max(1, static_cast<int>(std::lround(around)));
    const double turn = (lon + 180) / 360 - std::floor((lon + 180) / 360);
    row = static_cast<std::uint64_t>(band);
    column = static_cast<std::uint64_t>(std::min(columns - 1, static_cast<int>(turn * columns)));
  } else {
    column = xxh3(tile_id);
  }
  const double drawn = PhiloxStream(options.split_seed, Purpose::kSplit, row, column).uniform();
  if (drawn < options.test_share) return Split::kTest;
  return drawn < options.test_share + options.validation_share ? Split::kValidation : Split::kTrain;
}

Json describe_split(const SourceOptions& options) {
  Json json;
  json["seed"] = options.split_seed;
  json["validation_share"] = options.validation_share;
  json["test_share"] = options.test_share;
  json["block_degrees"] = kBlockDegrees;
  return json;
}

}  // namespace terramill::corpus
