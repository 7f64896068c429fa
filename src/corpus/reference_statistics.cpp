#include "reference_statistics.hpp"

#include "shard_statistics.hpp"

#include <terramill/core/error.hpp>
#include <terramill/corpus/shard_file.hpp>
#include <terramill/mpi/meeting.hpp>
#include <terramill/mpi/root_decision.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

namespace terramill::corpus {
namespace {

constexpr std::uint64_t kSample = 100000;

S2Type type_from(const std::string& text) {
  return text == "l2a" ? S2Type::kL2A : text == "l1c" ? S2Type::kL1C : S2Type::kNone;
}

/// Drawn rows of one shard and how often each was drawn.
using Draws = std::map<std::uint64_t, std::uint64_t>;

Statistics measure_shard(const std::filesystem::path& corpus, std::uint64_t shard, const Schema& schema,
                         Codec codec, const Draws& draws) {
  ShardReader reader(corpus, shard, schema, codec);
  const auto metadata = read_metadata(shard_path(corpus, shard));
  Statistics statistics(schema);
  for (const auto& [row, times] : draws) {
    Tile tile;
    tile.values.resize(schema.modalities.size());
    // Only the measured pixel modalities; `present` tells `measure` which.
    for (std::size_t m = 0; m < schema.modalities.size(); ++m) {
      if (!schema.modalities[m].pixel || !has_statistics(schema.modalities[m])) continue;
      tile.values[m] = reader.read(row, m);
      tile.record.present |= 1u << m;
    }
    statistics.add(measure(schema, tile), type_from(metadata.at(row).s2_type), times);
  }
  return statistics;
}

/// lat, lon, month: sums, means and deviations in float32, row after row. era5: the sum in float32, the rest
/// in float64, each band by its number of values.
class ImageLevel {
 public:
  ImageLevel(const Modality& modality, const std::vector<float>& rows)
      : modality_(modality), rows_(rows), channels_(modality.bands.size()) {}

  Json to_json() const {
    Json json = {
        {"mean", Json::array()}, {"std", Json::array()}, {"min", Json::array()}, {"max", Json::array()}};
    for (std::size_t c = 0; c < channels_; ++c) add_band(c, json);
    return json;
  }

 private:
  void add_band(std::size_t c, Json& json) const {
    float sum = 0, low = std::numeric_limits<float>::quiet_NaN(), high = low;
    std::size_t count = 0;
    for (std::size_t at = c; at < rows_.size(); at += channels_) {
      if (std::isnan(rows_[at])) continue;
      ++count;
      sum += rows_[at];
      low = std::fmin(low, rows_[at]);
      high = std::fmax(high, rows_[at]);
    }
    if (modality_.name == "era5") {
      const double mean = static_cast<double>(sum) / static_cast<double>(count);
      append(json, mean, deviation<double>(c, mean, static_cast<double>(count)), low, high);
    } else {
      const std::size_t rows = rows_.size() / channels_;
      const auto n = static_cast<float>(rows);
      const float mean = sum / n;
      append(json, mean, deviation<float>(c, mean, n), low, high);
    }
  }

  template <typename T>
  T deviation(std::size_t c, T mean, T n) const {
    T sum = 0;
    for (std::size_t at = c; at < rows_.size(); at += channels_) {
      if (std::isnan(rows_[at])) continue;
      const T difference = static_cast<T>(rows_[at]) - mean;
      sum += difference * difference;
    }
    return std::sqrt(sum / n);
  }

  static void append(Json& json, double mean, double deviation, double low, double high) {
    json["mean"].push_back(mean);
    json["std"].push_back(deviation);
    json["min"].push_back(low);
    json["max"].push_back(high);
  }

  const Modality& modality_;
  const std::vector<float>& rows_;
  std::size_t channels_;
};

std::vector<float> read_column(const std::filesystem::path& corpus, const std::string& modality,
                               std::size_t shards) {
  std::vector<float> rows;
  for (std::size_t shard = 0; shard < shards; ++shard) {
    const h5::Handle file = h5::open_file(shard_path(corpus, shard));
    const std::vector<float> part = h5::read_dataset<float>(file, modality);
    rows.insert(rows.end(), part.begin(), part.end());
  }
  return rows;
}

}  // namespace

std::vector<std::uint64_t> legacy_randint(std::uint32_t seed, std::uint64_t n, std::size_t count) {
  std::vector<std::uint64_t> drawn;
  drawn.reserve(count);
  const std::uint64_t last = n - 1;
  std::uint64_t mask = last;
  for (int shift = 1; shift < 64; shift *= 2) mask |= mask >> shift;
  std::mt19937 generator(seed);
  while (drawn.size() < count) {
    std::uint64_t value = 0;
    if (last > 0xffffffffu) {
      value = static_cast<std::uint64_t>(generator()) << 32;
      value |= generator();
    } else if (last > 0) {
      value = generator();
    }
    if ((value & mask) <= last) drawn.push_back(value & mask);
  }
  return drawn;
}

Json reference_statistics(const mpi::Communicator& comm, const std::filesystem::path& corpus,
                          const Schema& schema, Codec codec, std::span<const std::uint64_t> tiles) {
  std::vector<std::uint64_t> begins(tiles.size() + 1, 0);
  for (std::size_t s = 0; s < tiles.size(); ++s) begins[s + 1] = begins[s] + tiles[s];
  const std::uint64_t rows = begins.back();
  std::map<std::uint64_t, Draws> draws;
  if (rows > 0) {
    for (const std::uint64_t row : legacy_randint(0, rows, std::min(kSample, rows))) {
      const auto shard =
          static_cast<std::uint64_t>(std::upper_bound(begins.begin(), begins.end(), row) - begins.begin()) -
          1;
      ++draws[shard][row - begins[shard]];
    }
  }
  ShardStatistics own;
  mpi::all_or_none(comm, [&] {
    mpi::work_and_meet(comm, [&] {
      std::uint64_t turn = 0;
      for (const auto& [shard, of_shard] : draws) {
        if (turn++ % static_cast<std::uint64_t>(comm.size()) == static_cast<std::uint64_t>(comm.rank())) {
          own.add(shard, measure_shard(corpus, shard, schema, codec, of_shard));
        }
      }
    });
  });
  const Statistics sampled = own.merge(comm, schema);
  Json json;
  mpi::on_root(comm, [&] {
    json = sampled.to_json();
    for (const Modality& modality : schema.modalities) {
      if (modality.pixel || !has_statistics(modality)) continue;
      json[modality.name] = ImageLevel(modality, read_column(corpus, modality.name, tiles.size())).to_json();
    }
  });
  return json;
}

}  // namespace terramill::corpus
