#pragma once

#include "path_pattern.hpp"

#include <terramill/core/json.hpp>
#include <terramill/corpus/source.hpp>
#include <terramill/geo/raster.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace terramill::corpus {

/// When a radiometric offset is taken off Sentinel-2 values (`offset =`).
struct OffsetRule {
  enum class Test {
    kNever,   ///< none
    kAlways,  ///< 1000
    kMean,    ///< 1000 if mean(B10) > 500: the mean of a band's valid pixels
    kLow,     ///< 1000 if low(*) > 800: the 1st percentile of a band's valid pixels, * for the least over all
              ///< bands
    kAs,      ///< 1000 as s2_l1c: the decision for that modality of the same place
  };
  Test test = Test::kNever;
  double amount = 0;
  std::string subject;  ///< band, "*", or modality
  double threshold = 0;
};

/// How the numbers in the files are to be understood (`unit =`).
enum class Unit {
  kAsStored,
  kReflectance,  ///< 0 … 1, stored times 10,000
  kPower,        ///< linear backscatter, stored as 10 log10 in dB
};

struct MappedBand {
  std::string in_file;  ///< what {band} stands for; the name itself where nothing else is given
  int channel = -1;     ///< of the schema's modality; -1: the band is not wanted
};

/// A section [modality.NAME]: where a modality's files are and what is in them.
struct MappedModality {
  std::size_t index = 0;  ///< in the schema
  std::string section;
  std::optional<PathPattern> files;
  bool per_band = false;     ///< `files` has {band}: one file per band
  bool by_position = false;  ///< `files` has no {id}: whatever covers the tile
  std::vector<MappedBand> bands;
  double scale = 1, shift = 0;
  Unit unit = Unit::kAsStored;
  std::optional<double> no_data;
  OffsetRule offset;
  std::optional<geo::Resampling> resampling;  ///< none: the files must lie on the tile's grid
  bool required = false;
  std::optional<PathPattern> id_file;  ///< a JSON beside the raster whose member `id_key` is the id
  std::string id_key;
  std::map<int, int> classes;  ///< code in the file -> stored code
};

struct LabelRules {
  enum class From { kNone, kFolder, kJson, kCsv };
  From from = From::kNone;
  std::vector<std::string> classes;
  std::optional<PathPattern> file;
  std::string key;  ///< JSON: the member that holds a name or a list of names
  std::string id_column, label_column;
  char separator = 0;  ///< CSV: between the labels of one tile; 0: one label
};

/// The INI of a geotiff source, checked.
struct Mapping {
  Schema schema;
  std::filesystem::path root;
  bool cut = false;
  std::string grid;  ///< modality whose pixels are the tile's; empty: the first that is there
  S2Type s2_type = S2Type::kNone;
  std::optional<PathPattern> date;
  std::vector<MappedModality> modalities;  ///< in the order of the schema
  std::optional<MappedModality> cloud;
  std::vector<int> cloudy;
  LabelRules labels;
  Json settings;  ///< every section and key, for the manifest
};

/// Reads the INI (format: the comments of data-prep/multimodal.ini). IoError when it cannot be read,
/// UsageError for what is wrong in it.
Mapping read_mapping(const SourceOptions& options);

}  // namespace terramill::corpus
