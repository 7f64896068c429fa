#pragma once

#include <terramill/corpus/schema.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace terramill::loader {

/// What becomes of a modality's stored values.
enum class Form : std::uint8_t {
  kNormalised,  ///< float: (x - mean) / std in double, then cast; NaN where there is no data
  kClassIndex,  ///< int64: index in Modality::classes, -1 where there is none; of a one-hot modality the
                ///< index of its one
  kOneHot,      ///< int64: the one-hot vector as stored
  kStored,      ///< float: the stored values, untouched (pictures)
};

/// How missing values are recognised (spec/mpmae.md, a.7). For modalities that the reference does not know,
/// kV1 and kLegacy are kFixed.
enum class NoDataMode : std::uint8_t {
  kFixed,   ///< the schema's no-data value, an unknown class and an absent modality are missing, and nothing
            ///< else
  kV1,      ///< the reference at HEAD: as kFixed, but canopy 127 is a height and ESA tree cover is missing
  kLegacy,  ///< before 2026-01-06: normalised first, so Sentinel-2 zeros stay finite; ESA 0 counts as tree
            ///< cover
};
NoDataMode no_data_mode_from(
    std::string_view name);  ///< "fixed", "v1", "legacy"; UsageError for another word

/// One modality to load.
struct Request {
  std::string modality;            ///< name in the schema
  std::vector<std::string> bands;  ///< names, in the order wanted; empty: all, in file order
  Form form = Form::kNormalised;
};

/// Continuous: kNormalised; categorical: kClassIndex; one-hot: kOneHot; mask: kStored.
Form default_form(const corpus::Modality& modality) noexcept;

}  // namespace terramill::loader
