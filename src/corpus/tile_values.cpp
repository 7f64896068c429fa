#include "tile_values.hpp"

#include <terramill/geo/land_cover.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

namespace terramill::corpus {
namespace {

template <typename F>
decltype(auto) with_type(DType type, F&& work) {
  switch (type) {
    case DType::kUInt8:
      return work(std::uint8_t{});
    case DType::kInt8:
      return work(std::int8_t{});
    case DType::kUInt16:
      return work(std::uint16_t{});
    case DType::kInt16:
      return work(std::int16_t{});
    case DType::kFloat32:
      break;
  }
  return work(float{});
}

template <typename T>
T cast_hdf5(double value) {
  if constexpr (std::is_floating_point_v<T>) return static_cast<T>(value);
  if (std::isnan(value)) return T{0};
  return static_cast<T>(
      std::clamp<double>(value, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
}

template <typename T>
T cast_nearest(double value, std::optional<double> no_data) {
  if (std::isnan(value)) return no_data ? cast_hdf5<T>(*no_data) : T{0};
  if constexpr (std::is_floating_point_v<T>) return static_cast<T>(value);
  // Half away from zero; truncation is one instruction where std::round is a call.
  const T stored = cast_hdf5<T>(value < 0 ? value - 0.5 : value + 0.5);
  if (!no_data || stored != *no_data) return stored;
  return static_cast<T>(stored == std::numeric_limits<T>::max() ? stored - 1 : stored + 1);
}

template <typename T>
bool any_valid(std::span<const std::byte> values, std::optional<double> no_data) {
  if (!no_data) return !values.empty();
  const T missing = cast_hdf5<T>(*no_data);
  for (std::size_t i = 0; i < values.size(); i += sizeof(T)) {
    T value;
    std::memcpy(&value, values.data() + i, sizeof(T));
    if constexpr (std::is_floating_point_v<T>) {
      if (std::isnan(value) && std::isnan(missing)) continue;
    }
    if (value != missing) return true;
  }
  return false;
}

}  // namespace

std::optional<double> stored_no_data(const Modality& modality) {
  if (!modality.no_data) return std::nullopt;
  return with_type(modality.dtype, [&](auto type) {
    return static_cast<double>(cast_hdf5<decltype(type)>(*modality.no_data));
  });
}

void store_values(const Modality& modality, std::span<const float> values, std::size_t begin, Cast cast,
                  std::span<std::byte> stored) {
  const auto no_data = stored_no_data(modality);
  with_type(modality.dtype, [&](auto type) {
    using T = decltype(type);
    std::byte* target = stored.data() + begin * sizeof(T);
    for (const float value : values) {
      const T element = cast == Cast::kHdf5 ? cast_hdf5<T>(value) : cast_nearest<T>(value, no_data);
      std::memcpy(target, &element, sizeof(T));
      target += sizeof(T);
    }
  });
}

void fill_absent(const Schema& schema, Tile& tile) {
  tile.values.resize(schema.modalities.size());
  for (std::size_t m = 0; m < schema.modalities.size(); ++m) {
    const Modality& modality = schema.modalities[m];
    tile.values[m].assign(schema.tile_bytes(modality), std::byte{0});
    const auto no_data = stored_no_data(modality);
    if (!no_data || *no_data == 0) continue;
    with_type(modality.dtype, [&](auto type) {
      const auto element = cast_hdf5<decltype(type)>(*no_data);
      for (std::size_t i = 0; i < tile.values[m].size(); i += sizeof(element)) {
        std::memcpy(tile.values[m].data() + i, &element, sizeof(element));
      }
    });
  }
}

void mark_present(const Schema& schema, std::size_t modality, Tile& tile) {
  const Modality& what = schema.modalities[modality];
  const bool valid = with_type(what.dtype, [&](auto type) {
    return any_valid<decltype(type)>(tile.values[modality], stored_no_data(what));
  });
  if (valid) tile.record.present |= 1u << modality;
}

void count_land_cover(std::span<const std::byte> codes, TileRecord& record) {
  static_assert(geo::kLandCoverClasses == kLandCoverClasses);
  record.land_cover =
      geo::land_cover_histogram({reinterpret_cast<const std::uint8_t*>(codes.data()), codes.size()});
}

}  // namespace terramill::corpus
