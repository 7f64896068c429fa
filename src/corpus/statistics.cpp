#include "bytes.hpp"

#include <terramill/core/error.hpp>
#include <terramill/corpus/statistics.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace terramill::corpus {
namespace {

using Wide = decltype(BandMoments::integer_sum);

/// Adds `value` to `sum`, keeping in `error` what rounding loses.
void add_compensated(double& sum, double& error, double value) {
  const double total = sum + value;
  error += std::fabs(sum) >= std::fabs(value) ? (sum - total) + value : (value - total) + sum;
  sum = total;
}

/// Calls `use` for every value of a band that is not `no_data`.
template <typename T, typename F>
void for_each_valid(std::span<const T> values, const std::optional<double>& no_data, F use) {
  // A no-data value that T cannot hold occurs nowhere.
  const bool possible = no_data && *no_data >= static_cast<double>(std::numeric_limits<T>::lowest()) &&
                        *no_data <= static_cast<double>(std::numeric_limits<T>::max());
  if (!possible) {
    for (const T value : values) use(value);
    return;
  }
  const T missing = static_cast<T>(*no_data);
  for (const T value : values) {
    if (value != missing) use(value);
  }
}

template <typename T>
BandMoments measure_integers(std::span<const T> values, const std::optional<double>& no_data) {
  std::uint64_t count = 0, squares = 0;
  std::int64_t sum = 0;
  T low = std::numeric_limits<T>::max(), high = std::numeric_limits<T>::lowest();
  for_each_valid(values, no_data, [&](T value) {
    const auto wide = static_cast<std::int64_t>(value);
    ++count;
    sum += wide;
    squares += static_cast<std::uint64_t>(wide * wide);
    low = std::min(low, value);
    high = std::max(high, value);
  });
  BandMoments moments;
  moments.count = count;
  moments.integer_sum = sum;
  moments.integer_sum_of_squares = squares;
  if (count > 0) {
    moments.min = static_cast<double>(low);
    moments.max = static_cast<double>(high);
  }
  return moments;
}

BandMoments measure_floats(std::span<const float> values, const std::optional<double>& no_data) {
  BandMoments moments;
  for_each_valid(values, no_data, [&](float stored) {
    if (!std::isfinite(stored)) return;
    const double value = stored;
    ++moments.count;
    moments.sum += value;
    moments.sum_of_squares += value * value;
    moments.min = std::min(moments.min, value);
    moments.max = std::max(moments.max, value);
  });
  return moments;
}

template <typename T>
std::span<const T> typed(const std::vector<std::byte>& bytes, std::size_t first, std::size_t count) {
  return {reinterpret_cast<const T*>(bytes.data()) + first, count};
}

BandMoments measure_band(const Modality& modality, const std::vector<std::byte>& bytes, std::size_t first,
                         std::size_t count) {
  switch (modality.dtype) {
    case DType::kUInt8:
      return measure_integers(typed<std::uint8_t>(bytes, first, count), modality.no_data);
    case DType::kInt8:
      return measure_integers(typed<std::int8_t>(bytes, first, count), modality.no_data);
    case DType::kUInt16:
      return measure_integers(typed<std::uint16_t>(bytes, first, count), modality.no_data);
    case DType::kInt16:
      return measure_integers(typed<std::int16_t>(bytes, first, count), modality.no_data);
    case DType::kFloat32:
      return measure_floats(typed<float>(bytes, first, count), modality.no_data);
  }
  return {};
}

bool split_by_level(const Schema& schema, const Modality& modality) {
  return schema.name == "mmearth" && modality.name.rfind("sentinel2", 0) == 0;
}

std::vector<double> read_numbers(const Json& json, const char* key, const std::string& origin) {
  std::vector<double> numbers;
  for (const Json& number : json_get<Json>(json, key, origin)) {
    if (!number.is_number()) {
      throw FormatError(std::string("\"") + key + "\" holds what is no number",
                        {"read band statistics", origin, ""});
    }
    numbers.push_back(number.get<double>());
  }
  return numbers;
}

}  // namespace

void BandMoments::merge(const BandMoments& other) {
  count += other.count;
  add_compensated(sum, sum_error, other.sum);
  add_compensated(sum_of_squares, sum_of_squares_error, other.sum_of_squares);
  sum_error += other.sum_error;
  sum_of_squares_error += other.sum_of_squares_error;
  integer_sum += other.integer_sum;
  integer_sum_of_squares += other.integer_sum_of_squares;
  min = std::min(min, other.min);
  max = std::max(max, other.max);
}

double BandMoments::mean() const {
  if (count == 0) return std::numeric_limits<double>::quiet_NaN();
  const auto n = static_cast<double>(count);
  return integer_sum_of_squares != 0 ? static_cast<double>(integer_sum) / n : (sum + sum_error) / n;
}

double BandMoments::standard_deviation() const {
  if (count == 0) return std::numeric_limits<double>::quiet_NaN();
  const auto n = static_cast<double>(count);
  if (integer_sum_of_squares != 0) {
    const auto wide_count = static_cast<Wide>(count);
    return std::sqrt(static_cast<double>(wide_count * integer_sum_of_squares - integer_sum * integer_sum)) /
           n;
  }
  const double average = mean();
  return std::sqrt(std::max(0.0, (sum_of_squares + sum_of_squares_error) / n - average * average));
}

bool has_statistics(const Modality& modality) noexcept {
  return modality.kind == Kind::kContinuous || modality.kind == Kind::kMask;
}

TileMoments measure(const Schema& schema, const Tile& tile, bool absent_too) {
  TileMoments result(schema.modalities.size());
  for (std::size_t m = 0; m < schema.modalities.size(); ++m) {
    const Modality& modality = schema.modalities[m];
    if (!has_statistics(modality) || !(absent_too || (tile.record.present >> m & 1u))) continue;
    const std::size_t per_band = schema.elements(modality) / modality.bands.size();
    for (std::size_t band = 0; band < modality.bands.size(); ++band) {
      result[m].push_back(measure_band(modality, tile.values[m], band * per_band, per_band));
    }
  }
  return result;
}

std::string statistics_key(const Schema& schema, const Modality& modality, S2Type type) {
  if (!split_by_level(schema, modality) || type == S2Type::kNone) return modality.name;
  return modality.name + (type == S2Type::kL2A ? "_l2a" : "_l1c");
}

Statistics::Statistics(const Schema& schema) : schema_(std::make_shared<const Schema>(schema)) {
  for (const Modality& modality : schema_->modalities) {
    if (!has_statistics(modality)) continue;
    for (const S2Type type : {S2Type::kL1C, S2Type::kL2A}) {
      bands_[statistics_key(*schema_, modality, type)].resize(modality.bands.size());
    }
  }
}

void Statistics::add(const TileMoments& tile, S2Type type, std::uint64_t times) {
  for (std::size_t m = 0; m < tile.size(); ++m) {
    if (tile[m].empty()) continue;
    auto& bands = bands_[statistics_key(*schema_, schema_->modalities[m], type)];
    bands.resize(tile[m].size());
    for (std::size_t band = 0; band < bands.size(); ++band) {
      for (std::uint64_t i = 0; i < times; ++i) bands[band].merge(tile[m][band]);
    }
  }
}

void Statistics::merge(const Statistics& later) {
  for (const auto& [key, theirs] : later.bands_) {
    auto& ours = bands_[key];
    ours.resize(theirs.size());
    for (std::size_t band = 0; band < theirs.size(); ++band) ours[band].merge(theirs[band]);
  }
}

Json Statistics::to_json() const {
  Json json = Json::object();
  for (const auto& [key, bands] : bands_) {
    std::vector<double> mean, deviation, low, high;
    for (const BandMoments& band : bands) {
      mean.push_back(band.mean());
      deviation.push_back(band.standard_deviation());
      low.push_back(band.min);
      high.push_back(band.max);
    }
    json[key] = {{"mean", mean}, {"std", deviation}, {"min", low}, {"max", high}};
  }
  return json;
}

std::vector<std::byte> Statistics::serialise() const {
  ByteWriter out;
  out.put(static_cast<std::uint64_t>(bands_.size()));
  for (const auto& [key, bands] : bands_) {
    out.put_text(key);
    out.put(static_cast<std::uint64_t>(bands.size()));
    for (const BandMoments& band : bands) {
      out.put(band.count);
      for (double value :
           {band.sum, band.sum_error, band.sum_of_squares, band.sum_of_squares_error, band.min, band.max}) {
        out.put(value);
      }
      out.put(band.integer_sum);
      out.put(band.integer_sum_of_squares);
    }
  }
  return out.take();
}

Statistics Statistics::deserialise(const Schema& schema, std::span<const std::byte> bytes) {
  Statistics statistics(schema);
  ByteReader in(bytes, "statistics of a shard");
  const auto keys = in.get<std::uint64_t>();
  for (std::uint64_t k = 0; k < keys; ++k) {
    const std::string key = in.get_text();
    const auto count = in.get<std::uint64_t>();
    std::vector<BandMoments> bands;
    for (std::uint64_t b = 0; b < count; ++b) {
      BandMoments& band = bands.emplace_back();
      band.count = in.get<std::uint64_t>();
      for (double* value : {&band.sum, &band.sum_error, &band.sum_of_squares, &band.sum_of_squares_error,
                            &band.min, &band.max}) {
        *value = in.get<double>();
      }
      band.integer_sum = in.get<Wide>();
      band.integer_sum_of_squares = in.get<Wide>();
    }
    statistics.bands_[key] = std::move(bands);
  }
  return statistics;
}

StatisticsTable read_statistics(const std::filesystem::path& path) {
  const std::string origin = path.string();
  const Json json = read_json(path);
  if (!json.is_object())
    throw FormatError("it holds no table of bands", {"read band statistics", origin, ""});
  StatisticsTable table;
  for (const auto& [key, entry] : json.items()) {
    BandStatistics& bands = table[key];
    bands.mean = read_numbers(entry, "mean", origin);
    bands.std = read_numbers(entry, "std", origin);
    bands.min = read_numbers(entry, "min", origin);
    bands.max = read_numbers(entry, "max", origin);
  }
  return table;
}

}  // namespace terramill::corpus
