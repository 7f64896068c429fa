#include <terramill/core/error.hpp>
#include <terramill/corpus/schema.hpp>

#include <algorithm>
#include <limits>

namespace terramill::corpus {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();
const char* const kReflectance = "DN (reflectance x 1e4)";
const std::vector<int> kWorldCoverCodes = {10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100};

std::vector<Band> bands_of(const std::vector<std::string>& names, const std::string& unit) {
  std::vector<Band> bands;
  for (const std::string& name : names) bands.push_back({name, unit});
  return bands;
}

std::vector<Band> class_bands(int count) {
  std::vector<Band> bands;
  for (int i = 0; i < count; ++i) bands.push_back({std::to_string(i), "one-hot"});
  return bands;
}

Modality image_level(std::string name, DType dtype, Kind kind, std::vector<Band> bands) {
  Modality modality;
  modality.name = std::move(name);
  modality.dtype = dtype;
  modality.kind = kind;
  modality.pixel = false;
  modality.bands = std::move(bands);
  return modality;
}

Modality pixels(std::string name, DType dtype, Kind kind, std::vector<Band> bands,
                std::optional<double> no_data) {
  Modality modality;
  modality.name = std::move(name);
  modality.dtype = dtype;
  modality.kind = kind;
  modality.bands = std::move(bands);
  modality.no_data = no_data;
  return modality;
}

std::vector<Band> era5_bands() {
  std::vector<Band> bands;
  for (const std::string period : {"previous_month", "month", "year"}) {
    for (const std::string statistic : {"temperature_mean", "temperature_min", "temperature_max"}) {
      bands.push_back({period + "_" + statistic, "K"});
    }
    bands.push_back({period + "_precipitation_sum", "m"});
  }
  return bands;
}

std::vector<Modality> mmearth_sentinel2() {
  std::vector<Modality> list;
  list.push_back(
      pixels("sentinel2", DType::kUInt16, Kind::kContinuous, bands_of(mmearth_s2_bands(), kReflectance), 0));
  list.back().offset_state = "harmonised";
  list.push_back(pixels("sentinel2_cloudmask", DType::kUInt16, Kind::kMask, {{"QA60", "bit mask"}}, 65535));
  list.push_back(
      pixels("sentinel2_cloudprod", DType::kUInt16, Kind::kMask, {{"MSK_CLDPRB", "percent"}}, 65535));
  list.push_back(pixels("sentinel2_scl", DType::kUInt8, Kind::kCategorical, {{"SCL", "class"}}, 255));
  for (int code = 0; code < 12; ++code) list.back().classes.push_back(code);
  return list;
}

}  // namespace

std::size_t size_of(DType type) noexcept {
  switch (type) {
    case DType::kUInt8:
    case DType::kInt8:
      return 1;
    case DType::kUInt16:
    case DType::kInt16:
      return 2;
    case DType::kFloat32:
      return 4;
  }
  return 0;
}

std::string_view name_of(DType type) noexcept {
  switch (type) {
    case DType::kUInt8:
      return "uint8";
    case DType::kInt8:
      return "int8";
    case DType::kUInt16:
      return "uint16";
    case DType::kInt16:
      return "int16";
    case DType::kFloat32:
      return "float32";
  }
  return "";
}

DType dtype_from(std::string_view name) {
  for (DType type : {DType::kUInt8, DType::kInt8, DType::kUInt16, DType::kInt16, DType::kFloat32}) {
    if (name == name_of(type)) return type;
  }
  throw FormatError("\"" + std::string(name) + "\" is no element type of a corpus");
}

std::string_view name_of(Kind kind) noexcept {
  switch (kind) {
    case Kind::kContinuous:
      return "continuous";
    case Kind::kCategorical:
      return "categorical";
    case Kind::kOneHot:
      return "one-hot";
    case Kind::kMask:
      return "mask";
  }
  return "";
}

int Modality::band_index(std::string_view band) const noexcept {
  const auto found =
      std::find_if(bands.begin(), bands.end(), [&](const Band& candidate) { return candidate.name == band; });
  return found == bands.end() ? -1 : static_cast<int>(found - bands.begin());
}

const Modality* Schema::find(std::string_view modality) const noexcept {
  const int index = index_of(modality);
  return index < 0 ? nullptr : &modalities[static_cast<std::size_t>(index)];
}

int Schema::index_of(std::string_view modality) const noexcept {
  for (std::size_t i = 0; i < modalities.size(); ++i) {
    if (modalities[i].name == modality) return static_cast<int>(i);
  }
  return -1;
}

std::size_t Schema::elements(const Modality& modality) const noexcept {
  const std::size_t area =
      modality.pixel ? static_cast<std::size_t>(height) * static_cast<std::size_t>(width) : 1;
  return modality.bands.size() * area;
}

std::size_t Schema::tile_bytes(const Modality& modality) const noexcept {
  return elements(modality) * size_of(modality.dtype);
}

const std::vector<std::string>& mmearth_s2_bands() {
  static const std::vector<std::string> bands = {"B1",  "B2", "B3", "B4",  "B5",  "B6", "B7",
                                                 "B8A", "B8", "B9", "B10", "B11", "B12"};
  return bands;
}

Schema mmearth_schema(int size, bool reference) {
  Schema schema;
  schema.name = "mmearth";
  schema.height = schema.width = size;
  schema.modalities = mmearth_sentinel2();
  auto& list = schema.modalities;
  std::vector<Band> radar;
  for (const std::string orbit : {"asc", "desc"}) {
    for (const std::string polarisation : {"VV", "VH", "HH", "HV"})
      radar.push_back({orbit + "_" + polarisation, "dB"});
  }
  list.push_back(pixels("sentinel1", DType::kFloat32, Kind::kContinuous, std::move(radar), kMinusInfinity));
  list.push_back(pixels("aster", DType::kInt16, Kind::kContinuous, {{"elevation", "m"}, {"slope", "degree"}},
                        reference ? std::optional<double>(kMinusInfinity) : std::nullopt));
  list.push_back(pixels("canopy_height_eth", DType::kInt8, Kind::kContinuous, {{"height", "m"}, {"std", "m"}},
                        reference ? 255 : 127));
  list.push_back(pixels("dynamic_world", DType::kUInt8, Kind::kCategorical, {{"label", "class"}}, 0));
  for (int code = 1; code <= 9; ++code) list.back().classes.push_back(code);
  list.push_back(pixels("esa_worldcover", DType::kUInt8, Kind::kCategorical, {{"Map", "class"}}, 0));
  list.back().classes = kWorldCoverCodes;
  list.push_back(image_level("era5", DType::kFloat32, Kind::kContinuous, era5_bands()));
  list.back().no_data = kNaN;
  for (const char* angle : {"lat", "lon", "month"}) {
    list.push_back(image_level(angle, DType::kFloat32, Kind::kContinuous, bands_of({"sin", "cos"}, "1")));
  }
  list.push_back(image_level("biome", DType::kUInt8, Kind::kOneHot, class_bands(14)));
  list.push_back(image_level("eco_region", DType::kUInt16, Kind::kOneHot, class_bands(846)));
  return schema;
}

Schema majortom_schema(int size) {
  Schema schema;
  schema.name = "majortom";
  schema.height = schema.width = size;
  auto& list = schema.modalities;
  const std::vector<std::string> l1c = {"B1", "B2",  "B3", "B4",  "B5",  "B6", "B7",
                                        "B8", "B8A", "B9", "B10", "B11", "B12"};
  std::vector<std::string> l2a;
  std::copy_if(l1c.begin(), l1c.end(), std::back_inserter(l2a),
               [](const std::string& band) { return band != "B10"; });
  list.push_back(pixels("s2_l1c", DType::kUInt16, Kind::kContinuous, bands_of(l1c, kReflectance), 0));
  list.push_back(pixels("s2_l2a", DType::kUInt16, Kind::kContinuous, bands_of(l2a, kReflectance), 0));
  list.push_back(pixels("s1_rtc", DType::kFloat32, Kind::kContinuous, bands_of({"VV", "VH"}, "dB"), kNaN));
  list.push_back(pixels("dem", DType::kFloat32, Kind::kContinuous, {{"elevation", "m"}}, kNaN));
  list.push_back(pixels("land_cover", DType::kUInt8, Kind::kCategorical, {{"Map", "class"}}, 0));
  list.back().classes = kWorldCoverCodes;
  return schema;
}

}  // namespace terramill::corpus
