#pragma once

#include <terramill/core/json.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace terramill::corpus {

/// Element types of stored modalities.
enum class DType : std::uint8_t { kUInt8, kInt8, kUInt16, kInt16, kFloat32 };
std::size_t size_of(DType type) noexcept;
std::string_view name_of(DType type) noexcept;  ///< as numpy says: "uint16", "float32", …
DType dtype_from(std::string_view name);        ///< FormatError for another word

/// How a modality's values are to be understood.
enum class Kind : std::uint8_t {
  kContinuous,   ///< measured: normalised by band statistics
  kCategorical,  ///< class codes per pixel
  kOneHot,       ///< one-hot class vector per tile
  kMask,         ///< quality bits; neither input nor target
};
std::string_view name_of(Kind kind) noexcept;

struct Band {
  std::string name;  ///< official name: "B8A", "asc_VV", "elevation"
  std::string unit;  ///< "DN (reflectance x 1e4)", "dB", "m", "class", …
};

/// One HDF5 dataset of a shard: [N, C, H, W] for a pixel modality, [N, C] for an image-level one.
struct Modality {
  std::string name;
  DType dtype = DType::kFloat32;
  Kind kind = Kind::kContinuous;
  bool pixel = true;
  std::vector<Band> bands;
  /// The value that means "no data" as stored (NaN and -inf possible). Empty: every value is valid.
  std::optional<double> no_data;
  /// Class codes in order of class index 0, 1, … (categorical only): {10, 20, …, 100} for ESA WorldCover.
  std::vector<int> classes;
  /// Radiometric offset state, e.g. "none", "harmonised" (+1000 of processing baseline 04.00 removed), "as
  /// delivered".
  std::string offset_state = "none";

  int channels() const noexcept { return static_cast<int>(bands.size()); }
  /// Index of the band of that name; -1 when absent.
  int band_index(std::string_view band) const noexcept;
};

/// What a corpus holds: modalities in file order, all pixel modalities height x width.
struct Schema {
  std::string name;  ///< "mmearth" or "majortom"
  int height = 0, width = 0;
  std::vector<Modality> modalities;

  const Modality* find(std::string_view modality) const noexcept;
  int index_of(std::string_view modality) const noexcept;           ///< -1 when absent
  std::size_t elements(const Modality& modality) const noexcept;    ///< per tile
  std::size_t tile_bytes(const Modality& modality) const noexcept;  ///< per tile, decoded
};

/// The official MMEarth datasets (spec/mpmae.md, a.1), tiles of size x size. `reference`: no-data values as
/// the reference declares them (canopy 255, which int8 cannot hold); otherwise as they are in the file
/// (canopy 127).
Schema mmearth_schema(int size, bool reference = false);
/// s2_l1c[13] s2_l2a[12] s1_rtc[2] dem[1] land_cover[1], tiles of size x size; land_cover holds ESA
/// WorldCover codes.
Schema majortom_schema(int size);

Json to_json(const Schema& schema);
Schema schema_from_json(const Json& json, const std::string& origin);

/// Sentinel-2 band names in the file order of MMEarth: B1 … B7 B8A B8 B9 B10 B11 B12.
const std::vector<std::string>& mmearth_s2_bands();

}  // namespace terramill::corpus
