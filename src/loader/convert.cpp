#include "conversion.hpp"

#include <terramill/core/error.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>

namespace terramill::loader {
namespace {

static_assert(std::endian::native == std::endian::little, "stored values are read as they lie");

constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();

// The loops below are what the loader spends its time on besides inflating; each does one thing without
// branches, so that it vectorises.

template <typename T>
void normalise(const T* __restrict in, std::size_t count, double mean, double deviation,
               float* __restrict out) {
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = static_cast<float>((static_cast<double>(in[i]) - mean) / deviation);
  }
}

template <typename T>
void blank(const T* __restrict in, std::size_t count, double no_data, float* __restrict out) {
  using Wide = std::conditional_t<std::is_floating_point_v<T>, float, std::int32_t>;  // as wide as the output
  const auto missing = static_cast<Wide>(no_data);
  for (std::size_t i = 0; i < count; ++i) out[i] = Wide{in[i]} == missing ? kMissing : out[i];
}

template <typename T>
void normalise_valid(const T* in, std::size_t count, double mean, double deviation, double no_data,
                     float* out) {
  constexpr std::size_t kBlock = 1024;  // stays in the first cache between the two
  for (std::size_t begin = 0; begin < count; begin += kBlock) {
    const std::size_t part = std::min(kBlock, count - begin);
    normalise(in + begin, part, mean, deviation, out + begin);
    blank(in + begin, part, no_data, out + begin);
  }
}

/// The reference before 2026-01-06: the comparison is with the normalised value.
template <typename T>
void normalise_then_compare(const T* in, std::size_t count, double mean, double deviation, double no_data,
                            float* out) {
  for (std::size_t i = 0; i < count; ++i) {
    const double value = (static_cast<double>(in[i]) - mean) / deviation;
    out[i] = value == no_data ? kMissing : static_cast<float>(value);
  }
}

/// Whether `value` is one that a T can be.
template <typename T>
bool representable(double value) {
  if constexpr (std::is_floating_point_v<T>) return true;
  return value >= std::numeric_limits<T>::min() && value <= std::numeric_limits<T>::max() &&
         value == std::floor(value);
}

/// Calls `run(in, out, count)` for each stretch of consecutive values of a channel's window.
template <typename T, typename Out, typename Run>
void for_each_stretch(const Conversion& conversion, const T* values, std::size_t channel, Window window,
                      int size, Out* out, Run run) {
  const auto width = static_cast<std::size_t>(conversion.width);
  const auto area = width * static_cast<std::size_t>(conversion.height);
  const T* const plane = values + channel * area;
  const auto side = static_cast<std::size_t>(size);
  if (!conversion.pixel() || (size == conversion.width && size == conversion.height)) {
    run(plane, out, area);
    return;
  }
  for (std::size_t y = 0; y < side; ++y) {
    const T* const row = plane + (static_cast<std::size_t>(window.y) + y) * width;
    run(row + static_cast<std::size_t>(window.x), out + y * side, side);
  }
}

template <typename T>
void convert_to_floats(const Conversion& c, const T* values, corpus::S2Type type, Window window, int size,
                       float* out) {
  const std::size_t stride = c.out_elements(size) / c.out_channels();
  const Moments& moments = c.moments[static_cast<std::size_t>(type)];
  if (c.form == Form::kNormalised && !moments.known) {
    throw UsageError("there are no band statistics of " + c.modality->name + " for this Sentinel-2 type",
                     {"normalise a tile", c.modality->name, "rebuild the statistics of the corpus"});
  }
  const bool direct = c.compares && !c.compares_normalised && representable<T>(c.no_data);
  for (std::size_t k = 0; k < c.channels.size(); ++k) {
    const auto run = [&](const T* in, float* to, std::size_t count) {
      if (c.form == Form::kStored) {
        std::transform(in, in + count, to, [](T value) { return static_cast<float>(value); });
      } else if (direct) {
        normalise_valid(in, count, moments.mean[k], moments.deviation[k], c.no_data, to);
      } else if (c.compares_normalised) {
        normalise_then_compare(in, count, moments.mean[k], moments.deviation[k], c.no_data, to);
      } else {
        normalise(in, count, moments.mean[k], moments.deviation[k], to);
      }
    };
    for_each_stretch(c, values, c.channels[k], window, size, out + k * stride, run);
  }
}

template <typename T>
void convert_to_integers(const Conversion& c, const T* values, Window window, int size, std::int64_t* out) {
  if (c.form == Form::kClassIndex && c.modality->kind == corpus::Kind::kOneHot) {
    const auto one = std::find_if(c.channels.begin(), c.channels.end(),
                                  [&](std::size_t channel) { return values[channel] != 0; });
    *out = one == c.channels.end() ? -1 : one - c.channels.begin();
    return;
  }
  const std::size_t stride = c.out_elements(size) / c.out_channels();
  const std::int64_t* const table =
      c.class_index.empty() ? nullptr : c.class_index.data() - std::int64_t{std::numeric_limits<T>::min()};
  for (std::size_t k = 0; k < c.channels.size(); ++k) {
    const auto run = [&](const T* in, std::int64_t* to, std::size_t count) {
      std::transform(in, in + count, to,
                     [&](T value) { return table == nullptr ? std::int64_t{value} : table[value]; });
    };
    for_each_stretch(c, values, c.channels[k], window, size, out + k * stride, run);
  }
}

template <typename T>
void convert_as(const Conversion& c, const std::byte* bytes, corpus::S2Type type, Window window, int size,
                const Destination& into) {
  const T* const values = reinterpret_cast<const T*>(bytes);
  if (!c.integers()) {
    convert_to_floats(c, values, type, window, size, into.floats.data());
  } else if constexpr (std::is_integral_v<T>) {
    convert_to_integers(c, values, window, size, into.integers.data());
  }
}

}  // namespace

void convert(const Conversion& conversion, std::span<const std::byte> values, corpus::S2Type type,
             Window window, int size, const Destination& into) {
  switch (conversion.modality->dtype) {
    case corpus::DType::kUInt8:
      return convert_as<std::uint8_t>(conversion, values.data(), type, window, size, into);
    case corpus::DType::kInt8:
      return convert_as<std::int8_t>(conversion, values.data(), type, window, size, into);
    case corpus::DType::kUInt16:
      return convert_as<std::uint16_t>(conversion, values.data(), type, window, size, into);
    case corpus::DType::kInt16:
      return convert_as<std::int16_t>(conversion, values.data(), type, window, size, into);
    case corpus::DType::kFloat32:
      return convert_as<float>(conversion, values.data(), type, window, size, into);
  }
}

void fill_missing(const Conversion& conversion, const Destination& into) {
  std::fill(into.floats.begin(), into.floats.end(), kMissing);
  const std::int64_t value = conversion.form == Form::kOneHot ? 0 : -1;
  std::fill(into.integers.begin(), into.integers.end(), value);
}

}  // namespace terramill::loader
