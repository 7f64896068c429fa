#include "geotiff_mapping.hpp"

#include "ini_section.hpp"

#include <algorithm>
#include <cmath>
#include <regex>

namespace terramill::corpus {
namespace {

namespace fs = std::filesystem;

constexpr const char* kModalityPrefix = "modality.";
const std::vector<std::string> kSourceKeys{"schema", "tile_size", "root", "cut", "grid", "s2_type", "date"};
const std::vector<std::string> kModalityKeys{"files",    "bands",   "unit",   "scale",
                                             "shift",    "no_data", "offset", "resampling",
                                             "required", "id_file", "id_key"};
const std::vector<std::string> kLabelKeys{"from",      "classes",      "file",     "key",
                                          "id_column", "label_column", "separator"};
const std::vector<std::string> kCloudKeys{"files", "values", "resampling"};

OffsetRule parse_offset(const IniSection& section) {
  OffsetRule rule;
  const std::string text = section.text("offset", "none");
  if (text == "none") return rule;
  static const std::regex form(
      R"(([0-9.]+)(?:\s+(?:if\s+(mean|low)\(\s*([\w*]+)\s*\)\s*>\s*([0-9.]+)|as\s+(\w+)))?)");
  std::smatch found;
  const auto amount = std::regex_match(text, found, form) ? IniSection::parse_number(found[1]) : std::nullopt;
  if (!amount) {
    section.fail("offset", "= " + text + " is not understood",
                 "write none, 1000, 1000 if mean(B10) > 500, 1000 if low(*) > 800, or 1000 as s2_l1c");
  }
  rule.amount = *amount;
  rule.test = OffsetRule::Test::kAlways;
  if (found[2].matched) {
    rule.test = found[2] == "mean" ? OffsetRule::Test::kMean : OffsetRule::Test::kLow;
    rule.subject = found[3];
    rule.threshold = IniSection::parse_number(found[4]).value_or(0);
  } else if (found[5].matched) {
    rule.test = OffsetRule::Test::kAs;
    rule.subject = found[5];
  }
  return rule;
}

Unit parse_unit(const IniSection& section) {
  const std::string text = section.text("unit", "stored");
  if (text == "stored") return Unit::kAsStored;
  if (text == "reflectance") return Unit::kReflectance;
  if (text == "power") return Unit::kPower;
  section.fail("unit", "= " + text + " is unknown",
               "write stored, reflectance (0 to 1) or power (linear backscatter)");
}

std::optional<geo::Resampling> parse_resampling(const IniSection& section, bool continuous) {
  const std::string text = section.text("resampling", "none");
  if (text == "none") return std::nullopt;
  if (text == "nearest") return geo::Resampling::kNearest;
  if (text == "mode") return geo::Resampling::kMode;
  if (text != "bilinear")
    section.fail("resampling", "= " + text + " is unknown", "none, nearest, bilinear or mode");
  if (!continuous) section.fail("resampling", "= bilinear would mix class codes", "use nearest or mode");
  return geo::Resampling::kBilinear;
}

/// "B01:B1, B8A, -": what stands in the file, and the schema's band; "-" is skipped.
std::vector<MappedBand> parse_bands(const IniSection& section, const Modality& modality, bool per_band) {
  std::vector<MappedBand> bands;
  std::vector<std::string> known;
  for (const Band& band : modality.bands) known.push_back(band.name);
  for (const std::string& item : split_list(section.required("bands"))) {
    const std::size_t colon = item.find(':');
    const std::string name = colon == std::string::npos ? item : item.substr(colon + 1);
    MappedBand band{item.substr(0, colon), modality.band_index(name)};
    if (band.channel < 0 && name != "-") {
      const auto meant = nearest(name, known);
      section.fail("bands", "names \"" + name + "\", which " + modality.name + " does not have",
                   meant ? "did you mean " + *meant + "?" : "");
    }
    for (const MappedBand& other : bands) {
      if (band.channel >= 0 && other.channel == band.channel)
        section.fail("bands", "names \"" + name + "\" twice");
      if (per_band && other.in_file == band.in_file)
        section.fail("bands", "gives \"" + band.in_file + "\" twice");
    }
    bands.push_back(std::move(band));
  }
  return bands;
}

std::map<int, int> parse_classes(const IniSection& section) {
  std::map<int, int> classes;
  for (const std::string& item : split_list(section.required("map"))) {
    const std::size_t colon = item.find(':');
    const auto from = IniSection::parse_number(item.substr(0, colon));
    const auto to =
        colon == std::string::npos ? std::nullopt : IniSection::parse_number(item.substr(colon + 1));
    if (!from || !to || *from != std::floor(*from) || *to < 0 || *to > 255 || *to != std::floor(*to)) {
      section.fail("map", "has the item \"" + item + "\"", "write pairs like 1:80, 2:10");
    }
    if (!classes.emplace(static_cast<int>(*from), static_cast<int>(*to)).second) {
      section.fail("map", "maps " + item.substr(0, colon) + " twice");
    }
  }
  return classes;
}

class MappingReader {
 public:
  MappingReader(const SourceOptions& options, const fs::path& file)
      : options_(options), file_(file), ini_(read_ini(file)) {}

  Mapping read() {
    read_source();
    for (std::size_t m = 0; m < mapping_.schema.modalities.size(); ++m) {
      const std::string name = kModalityPrefix + mapping_.schema.modalities[m].name;
      if (ini_.contains(name)) read_modality(m, name);
    }
    refuse_unknown_sections();
    if (mapping_.modalities.empty())
      fail("no section [modality.NAME] is there", "name at least one modality");
    check_references();
    if (ini_.contains("land_cover")) read_land_cover();
    if (ini_.contains("cloud")) read_cloud();
    if (ini_.contains("labels")) read_labels();
    for (const auto& [section, values] : ini_) {
      for (const auto& [key, value] : values) {
        if (key != "root") mapping_.settings[section][key] = value;
      }
    }
    return std::move(mapping_);
  }

 private:
  [[noreturn]] void fail(const std::string& reason, const std::string& advice) const {
    throw UsageError(reason, {"read the mapping", file_, advice});
  }
  IniSection section(const std::string& name, const std::vector<std::string>& known) const {
    const auto found = ini_.find(name);
    return {file_.string(), name, found == ini_.end() ? std::map<std::string, std::string>{} : found->second,
            known};
  }

  void read_source() {
    const IniSection source = section("source", kSourceKeys);
    const std::string schema = source.required("schema");
    if (schema != "majortom" && schema != "mmearth") {
      source.fail("schema", "= " + schema + " is unknown", "majortom or mmearth");
    }
    if (!options_.schema.empty() && options_.schema != schema) {
      throw UsageError("the mapping fills the schema " + schema,
                       {"open a geotiff source", "--schema " + options_.schema,
                        "leave --schema out, or use a mapping for it"});
    }
    const double size = options_.tile_size > 0 ? options_.tile_size : source.number("tile_size").value_or(0);
    if (!(size >= 1 && size <= 65536) || size != std::floor(size)) {
      source.fail("tile_size", "is no positive whole number of pixels", "set tile_size or give --tile-size");
    }
    const int pixels = static_cast<int>(size);
    mapping_.schema =
        schema == "mmearth" ? mmearth_schema(pixels, options_.reference) : majortom_schema(pixels);
    for (Modality& modality : mapping_.schema.modalities) modality.offset_state = "none";
    mapping_.cut = source.boolean("cut");
    mapping_.grid = source.text("grid");
    const bool input_is_folder = !options_.mapping.empty();
    mapping_.root = input_is_folder ? options_.input : file_.parent_path() / source.text("root");
    const std::string type = source.text("s2_type");
    if (!type.empty() && type != "l1c" && type != "l2a") source.fail("s2_type", "= " + type, "l1c or l2a");
    if (!type.empty()) mapping_.s2_type = type == "l2a" ? S2Type::kL2A : S2Type::kL1C;
    if (source.has("date")) {
      mapping_.date.emplace(source.text("date"), file_);
      if (!mapping_.date->has("date")) source.fail("date", "has no {date}");
    }
  }

  PathPattern pattern(const IniSection& from, const std::string& key) const {
    return {from.required(key), file_.string() + " [" + from.name() + "]"};
  }

  void read_modality(std::size_t index, const std::string& name) {
    const IniSection from = section(name, kModalityKeys);
    Modality& modality = mapping_.schema.modalities[index];
    if (!modality.pixel) from.fail("files", "cannot fill " + modality.name + ", which is no raster");
    MappedModality mapped;
    mapped.index = index;
    mapped.section = name;
    mapped.files = pattern(from, "files");
    mapped.per_band = mapped.files->has("band");
    if (from.has("id_file")) {
      mapped.id_file = pattern(from, "id_file");
      mapped.id_key = from.required("id_key");
    }
    mapped.by_position = !mapped.files->has("id") && !mapped.id_file;
    mapped.bands = parse_bands(from, modality, mapped.per_band);
    mapped.scale = from.number("scale").value_or(1);
    mapped.shift = from.number("shift").value_or(0);
    mapped.unit = parse_unit(from);
    mapped.no_data = from.number("no_data");
    mapped.offset = parse_offset(from);
    modality.offset_state = !from.has("offset")                              ? "as delivered"
                            : mapped.offset.test == OffsetRule::Test::kNever ? "none"
                                                                             : "harmonised";
    mapped.resampling = parse_resampling(from, modality.kind == Kind::kContinuous);
    mapped.required = from.boolean("required");
    if (mapped.by_position && !mapped.resampling) {
      from.fail("files", "has no {id}, so the files are found by position, which needs a resampling");
    }
    mapping_.modalities.push_back(std::move(mapped));
  }

  void refuse_unknown_sections() const {
    std::vector<std::string> known{"source", "labels", "land_cover", "cloud"};
    for (const Modality& modality : mapping_.schema.modalities)
      known.push_back(kModalityPrefix + modality.name);
    for (const auto& [name, values] : ini_) {
      if (std::ranges::count(known, name) > 0) continue;
      const auto meant = nearest(name, known);
      fail("the section [" + name + "] is unknown to the schema " + mapping_.schema.name,
           meant ? "did you mean [" + *meant + "]?" : "");
    }
  }

  bool is_mapped(const std::string& modality) const {
    return std::ranges::any_of(mapping_.modalities, [&](const MappedModality& mapped) {
      return mapping_.schema.modalities[mapped.index].name == modality && !mapped.by_position;
    });
  }

  void check_references() const {
    if (!mapping_.grid.empty() && !is_mapped(mapping_.grid)) {
      fail("[source] grid = " + mapping_.grid + " names no modality with {id} of this mapping", "");
    }
    if (std::ranges::all_of(mapping_.modalities, &MappedModality::by_position)) {
      fail("no modality has {id} in its files", "at least one modality must name its tiles");
    }
    for (const MappedModality& mapped : mapping_.modalities) {
      const OffsetRule& rule = mapped.offset;
      const auto refuse = [&](const std::string& reason) {
        fail("[" + mapped.section + "] offset " + reason, "");
      };
      if (rule.test == OffsetRule::Test::kNever) continue;
      if (mapped.by_position) refuse("cannot be taken off files that are found by position");
      if (rule.test == OffsetRule::Test::kAs) {
        const auto other = std::ranges::find_if(mapping_.modalities, [&](const MappedModality& each) {
          return mapping_.schema.modalities[each.index].name == rule.subject;
        });
        if (other == mapping_.modalities.end())
          refuse("names the modality " + rule.subject + ", which is not mapped");
        if (other->offset.test == OffsetRule::Test::kAs)
          refuse("follows a modality that itself follows another");
      } else if (rule.test != OffsetRule::Test::kAlways && rule.subject != "*") {
        const int channel = mapping_.schema.modalities[mapped.index].band_index(rule.subject);
        if (std::ranges::count(mapped.bands, channel, &MappedBand::channel) == 0 || channel < 0) {
          refuse("tests the band " + rule.subject + ", which the files do not have");
        }
      } else if (rule.test == OffsetRule::Test::kMean) {
        refuse("takes a mean of one band, not of all");
      }
    }
  }

  void read_land_cover() {
    const IniSection from = section("land_cover", {"map"});
    for (MappedModality& mapped : mapping_.modalities) {
      const std::string& name = mapping_.schema.modalities[mapped.index].name;
      if (name != "land_cover" && name != "esa_worldcover") continue;
      mapped.classes = parse_classes(from);
      for (const auto& [code, stored] : mapped.classes) {
        if (stored != 0 &&
            std::ranges::count(mapping_.schema.modalities[mapped.index].classes, stored) == 0) {
          from.fail("map", "maps to " + std::to_string(stored) + ", which is no code of ESA WorldCover",
                    "10, 20, ..., 90, 95, 100, or 0 for none");
        }
      }
      return;
    }
    from.fail("map", "is there, but no modality land_cover or esa_worldcover");
  }

  void read_cloud() {
    const IniSection from = section("cloud", kCloudKeys);
    MappedModality& cloud = mapping_.cloud.emplace();
    cloud.section = "cloud";
    cloud.files = pattern(from, "files");
    if (!cloud.files->has("id")) from.fail("files", "has no {id}");
    cloud.bands = {{"mask", 0}};
    cloud.resampling = parse_resampling(from, false);
    for (const std::string& item : split_list(from.required("values"))) {
      const auto value = IniSection::parse_number(item);
      if (!value) from.fail("values", "holds \"" + item + "\", which is no number");
      mapping_.cloudy.push_back(static_cast<int>(*value));
    }
  }

  void read_labels() {
    const IniSection from = section("labels", kLabelKeys);
    LabelRules& labels = mapping_.labels;
    // Names may hold commas: then semicolons separate them.
    const std::string classes = from.text("classes");
    labels.classes = split_list(classes, classes.find(';') == std::string::npos ? ',' : ';');
    const std::string kind = from.required("from");
    if (kind == "folder") {
      labels.from = LabelRules::From::kFolder;
      const bool named = std::ranges::any_of(
          mapping_.modalities, [](const MappedModality& each) { return each.files->has("label"); });
      if (!named) from.fail("from", "= folder, but no files have {label}", "write files = {label}/{id}.tif");
    } else if (kind == "json") {
      labels.from = LabelRules::From::kJson;
      labels.file = pattern(from, "file");
      labels.key = from.required("key");
      if (labels.classes.empty())
        from.fail("classes", "is missing", "list the names that the JSON files use");
    } else if (kind == "csv") {
      labels.from = LabelRules::From::kCsv;
      labels.file = pattern(from, "file");
      labels.id_column = from.required("id_column");
      labels.label_column = from.required("label_column");
      const std::string separator = from.text("separator");
      if (separator.size() > 1) from.fail("separator", "is one character");
      if (!separator.empty()) labels.separator = separator.front();
    } else {
      from.fail("from", "= " + kind + " is unknown", "folder, json or csv");
    }
    const bool many = labels.from == LabelRules::From::kJson || labels.separator != 0;
    if (many && labels.classes.size() > 64)
      from.fail("classes", "names more than the 64 classes that label bits hold");
  }

  const SourceOptions& options_;
  fs::path file_;
  IniFile ini_;
  Mapping mapping_;
};

}  // namespace

Mapping read_mapping(const SourceOptions& options) {
  std::error_code status;
  const bool input_is_folder = fs::is_directory(options.input, status);
  if (options.mapping.empty() && input_is_folder) {
    throw UsageError("a folder of rasters needs a mapping that says what they are",
                     {"open a geotiff source", options.input,
                      "give --mapping data-prep/multimodal.ini, or one of your own made after it"});
  }
  if (!options.mapping.empty() && !input_is_folder) {
    throw UsageError("the input is no folder",
                     {"open a geotiff source", options.input, "give the folder of the rasters"});
  }
  return MappingReader(options, options.mapping.empty() ? options.input : options.mapping).read();
}

}  // namespace terramill::corpus
