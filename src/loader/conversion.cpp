#include "conversion.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/options.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace terramill::loader {
namespace {

using corpus::DType;
using corpus::Kind;

[[noreturn]] void refuse(const std::string& message, const std::string& subject,
                         const std::string& advice = "") {
  throw UsageError(message, {"resolve what to load", subject, advice});
}

std::string suggestion(const std::string& word, const std::vector<std::string>& known) {
  if (const auto meant = nearest(word, known)) return "did you mean " + *meant + "?";
  std::string all;
  for (const std::string& name : known) all += (all.empty() ? "known are " : ", ") + name;
  return all;
}

const corpus::Modality& find_modality(const std::string& name, const corpus::Schema& schema) {
  if (const corpus::Modality* const found = schema.find(name)) return *found;
  std::vector<std::string> known;
  for (const auto& modality : schema.modalities) known.push_back(modality.name);
  refuse("the corpus has no modality \"" + name + "\"", name, suggestion(name, known));
}

void resolve_bands(const Request& request, Conversion& conversion) {
  std::vector<std::string> known;
  for (const auto& band : conversion.modality->bands) known.push_back(band.name);
  for (const std::string& band : request.bands.empty() ? known : request.bands) {
    const int channel = conversion.modality->band_index(band);
    if (channel < 0)
      refuse(request.modality + " has no band \"" + band + "\"", band, suggestion(band, known));
    conversion.channels.push_back(static_cast<std::size_t>(channel));
    conversion.bands.push_back(band);
  }
}

void check_form(const Request& request, const corpus::Modality& modality) {
  const bool suits =
      request.form == Form::kNormalised ? modality.kind == Kind::kContinuous
      : request.form == Form::kClassIndex
          ? modality.kind == Kind::kCategorical || (modality.kind == Kind::kOneHot && !modality.pixel)
      : request.form == Form::kOneHot ? modality.kind == Kind::kOneHot
                                      : true;
  const bool whole = modality.dtype != DType::kFloat32;
  if (suits && (whole || request.form == Form::kNormalised || request.form == Form::kStored)) return;
  refuse("the modality " + modality.name + ", which is " + std::string(name_of(modality.kind)) + " of type " +
             std::string(name_of(modality.dtype)) + ", cannot be given in the form asked for",
         modality.name);
}

struct Range {
  double low, high;
};
Range range_of(DType type) {
  switch (type) {
    case DType::kUInt8:
      return {0, 255};
    case DType::kInt8:
      return {-128, 127};
    case DType::kUInt16:
      return {0, 65535};
    case DType::kInt16:
      return {-32768, 32767};
    case DType::kFloat32:
      break;
  }
  return {-std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
}

/// NO_DATA_VAL of the reference (spec/mpmae.md, a.7), for the continuous modalities that it knows.
std::optional<double> reference_no_data(const std::string& modality) {
  constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();
  if (modality == "sentinel2") return 0;
  if (modality == "sentinel1" || modality == "aster") return kMinusInfinity;
  if (modality == "canopy_height_eth") return 255;
  return std::nullopt;
}

void resolve_no_data(NoDataMode mode, Conversion& conversion) {
  const corpus::Modality& modality = *conversion.modality;
  conversion.absent_is_missing = mode == NoDataMode::kFixed;
  if (conversion.form != Form::kNormalised) return;
  std::optional<double> value = modality.no_data;
  if (const auto reference = reference_no_data(modality.name); reference && mode != NoDataMode::kFixed) {
    value = reference;
    conversion.compares_normalised = mode == NoDataMode::kLegacy;
  } else if (value && std::isfinite(*value)) {
    // As it is in the file: a value that the type cannot hold was clipped on write (canopy 255 is 127).
    const Range range = range_of(modality.dtype);
    value = std::clamp(*value, range.low, range.high);
  }
  conversion.compares = value.has_value() && !std::isnan(*value);  // NaN is missing without being compared
  conversion.no_data = value.value_or(0);
}

/// Class index per stored value, offset so that the lowest value of the type comes first.
void resolve_classes(NoDataMode mode, Conversion& conversion) {
  const corpus::Modality& modality = *conversion.modality;
  if (conversion.form != Form::kClassIndex || modality.kind != Kind::kCategorical) return;
  const Range range = range_of(modality.dtype);
  const auto low = static_cast<std::int64_t>(range.low);
  auto& table = conversion.class_index;
  table.assign(static_cast<std::size_t>(range.high - range.low) + 1, -1);
  for (std::size_t c = 0; c < modality.classes.size(); ++c) {
    const std::int64_t at = modality.classes[c] - low;
    if (at >= 0 && at < static_cast<std::int64_t>(table.size())) {
      table[static_cast<std::size_t>(at)] = static_cast<std::int64_t>(c);
    }
  }
  if (modality.name == "esa_worldcover" && mode != NoDataMode::kFixed && low == 0) {
    // The reference leaves codes below 10 as they are, then drops what is 0 (HEAD) or nothing (before).
    for (std::int64_t code = 0; code < 10; ++code) table[static_cast<std::size_t>(code)] = code;
    if (mode == NoDataMode::kV1) table[0] = table[10] = -1;
  } else if (modality.no_data && *modality.no_data >= range.low && *modality.no_data <= range.high) {
    table[static_cast<std::size_t>(*modality.no_data - range.low)] = -1;
  }
}

void resolve_moments(const Request& request, const corpus::Schema& schema,
                     const corpus::StatisticsTable& statistics, NoDataMode mode, Conversion& conversion) {
  if (conversion.form != Form::kNormalised) return;
  bool any = false;
  for (std::size_t type = 0; type < conversion.moments.size(); ++type) {
    const auto key = statistics_key(schema, *conversion.modality, static_cast<corpus::S2Type>(type));
    const auto found = statistics.find(key);
    if (found == statistics.end()) continue;
    const std::size_t bands = conversion.modality->bands.size();
    if (found->second.mean.size() != bands || found->second.std.size() != bands) {
      throw FormatError("the statistics of " + key + " have not " + std::to_string(bands) + " bands",
                        {"read band statistics", key, "build the corpus anew"});
    }
    Moments& moments = conversion.moments[type];
    moments.known = any = true;
    for (const std::size_t channel : conversion.channels) {
      const double deviation = found->second.std[channel];
      moments.mean.push_back(found->second.mean[channel]);
      moments.deviation.push_back(mode == NoDataMode::kFixed && deviation == 0 ? 1 : deviation);
    }
  }
  if (!any) refuse("there are no band statistics of " + request.modality, request.modality);
}

}  // namespace

std::size_t Conversion::out_channels() const noexcept {
  return form == Form::kClassIndex && modality->kind == Kind::kOneHot ? 1 : channels.size();
}

std::size_t Conversion::out_elements(int size) const noexcept {
  const auto side = static_cast<std::size_t>(size);
  return out_channels() * (pixel() ? side * side : 1);
}

Conversion resolve(const Request& request, const corpus::Schema& schema,
                   const corpus::StatisticsTable& statistics, NoDataMode mode) {
  Conversion conversion;
  conversion.form = request.form;
  conversion.modality = &find_modality(request.modality, schema);
  conversion.index = static_cast<std::uint32_t>(schema.index_of(request.modality));
  conversion.stored_bytes = schema.tile_bytes(*conversion.modality);
  if (conversion.pixel()) {
    conversion.height = schema.height;
    conversion.width = schema.width;
  }
  check_form(request, *conversion.modality);
  resolve_bands(request, conversion);
  resolve_no_data(mode, conversion);
  resolve_classes(mode, conversion);
  resolve_moments(request, schema, statistics, mode, conversion);
  return conversion;
}

}  // namespace terramill::loader
