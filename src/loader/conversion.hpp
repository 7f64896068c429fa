#pragma once

#include <terramill/corpus/schema.hpp>
#include <terramill/corpus/statistics.hpp>
#include <terramill/loader/loader.hpp>
#include <terramill/loader/request.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace terramill::loader {

/// Moments of a request's bands, for tiles of one Sentinel-2 type.
struct Moments {
  bool known = false;
  std::vector<double> mean, deviation;
};

/// A request resolved against a corpus: all that is needed to turn a tile's stored values into what is given
/// out.
struct Conversion {
  Form form = Form::kNormalised;
  const corpus::Modality* modality = nullptr;
  std::uint32_t index = 0;            ///< of the modality in the schema
  std::vector<std::size_t> channels;  ///< stored band of each band given out
  std::vector<std::string> bands;     ///< their names
  int height = 1, width = 1;          ///< as stored; 1 for image-level
  std::size_t stored_bytes = 0;       ///< of a tile, decoded

  std::array<Moments, 3> moments;    ///< by corpus::S2Type
  bool compares = false;             ///< `no_data` marks missing values
  bool compares_normalised = false;  ///< … after normalising (kLegacy)
  double no_data = 0;
  bool absent_is_missing = false;         ///< kFixed: a tile without the modality's bit gives missing values
  std::vector<std::int64_t> class_index;  ///< by stored value, -1 for none (categorical)

  bool pixel() const noexcept { return modality->pixel; }
  bool integers() const noexcept { return form == Form::kClassIndex || form == Form::kOneHot; }
  /// Channels given out: 1 for the class index of a one-hot modality.
  std::size_t out_channels() const noexcept;
  /// Values given out per tile with windows of `size` pixels.
  std::size_t out_elements(int size) const noexcept;
};

/// UsageError as Loader's constructor.
Conversion resolve(const Request& request, const corpus::Schema& schema,
                   const corpus::StatisticsTable& statistics, NoDataMode mode);

/// Where a tile's values go: one of the two.
struct Destination {
  std::span<float> floats;
  std::span<std::int64_t> integers;
};

/// Converts the decoded values of a tile, window of `size` pixels at `window`, into [C, size, size] or [C].
/// UsageError where the statistics lack the tile's Sentinel-2 type.
void convert(const Conversion& conversion, std::span<const std::byte> values, corpus::S2Type type,
             Window window, int size, const Destination& into);
/// What a tile without the modality gives: NaN, -1, or zeros of a one-hot vector.
void fill_missing(const Conversion& conversion, const Destination& into);

}  // namespace terramill::loader
