#include "geotiff_places.hpp"

#include <terramill/core/activity.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/log.hpp>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>

namespace terramill::corpus {
namespace {

namespace fs = std::filesystem;

struct Listed {
  std::string file;  ///< relative to the root
  bool dangling;     ///< a link to nothing
};

/// The files under a root, listed once per folder.
class Listing {
 public:
  explicit Listing(fs::path root) : root_(std::move(root)) {}

  /// All regular files, and links that lead to no folder, below `folder`, sorted. Empty when there is no such
  /// folder; IoError when one cannot be listed.
  const std::vector<Listed>& below(const fs::path& folder) {
    const auto [slot, is_new] = listed_.try_emplace(folder.string());
    if (!is_new) return slot->second;
    const fs::path start = root_ / folder;
    const Activity activity("list", start);
    std::error_code error;
    fs::recursive_directory_iterator walk(start, fs::directory_options::follow_directory_symlink, error);
    if (error == std::errc::no_such_file_or_directory) return slot->second;
    for (; !error && walk != fs::recursive_directory_iterator(); walk.increment(error)) {
      add(*walk, slot->second);
      beat();
    }
    if (error) throw IoError("the folder cannot be listed", error.value(), {"look for rasters", start, ""});
    std::ranges::sort(slot->second, {}, &Listed::file);
    return slot->second;
  }

 private:
  void add(const fs::directory_entry& entry, std::vector<Listed>& files) const {
    std::error_code error;
    const bool regular = entry.is_regular_file(error);
    const bool dangling = error == std::errc::no_such_file_or_directory ||
                          error == std::errc::not_a_directory ||
                          error == std::errc::too_many_symbolic_link_levels;
    if (error && !dangling) {
      throw IoError("the file cannot be looked at", error.value(), {"look for rasters", entry.path(), ""});
    }
    if (regular || dangling)
      files.push_back({entry.path().lexically_relative(root_).generic_string(), dangling});
  }

  fs::path root_;
  std::map<std::string, std::vector<Listed>> listed_;
};

std::string with_dashes(const std::string& date) {
  if (date.size() != 8) return date;
  return date.substr(0, 4) + "-" + date.substr(4, 2) + "-" + date.substr(6, 2);
}

class PlaceFinder {
 public:
  explicit PlaceFinder(const Mapping& mapping) : mapping_(mapping), listing_(mapping.root) {}

  std::vector<Place> find() {
    for (std::size_t m = 0; m < mapping_.modalities.size(); ++m) {
      if (!mapping_.modalities[m].by_position) collect(mapping_.modalities[m], m);
    }
    if (places_.empty()) {
      throw UsageError("no file matches the mapping",
                       {"look for rasters", mapping_.root,
                        "compare the folder with files = " + mapping_.modalities.front().files->text()});
    }
    if (mapping_.cloud) collect(*mapping_.cloud, mapping_.modalities.size());
    std::vector<Place> found;
    found.reserve(places_.size());
    for (auto& [id, place] : places_) found.push_back(std::move(place));
    return found;
  }

 private:
  void collect(const MappedModality& mapped, std::size_t slot) {
    std::size_t matched = 0;
    for (const auto& [file, dangling] : listing_.below(mapped.files->folder())) {
      auto captures = mapped.files->match(file);
      if (!captures) continue;
      std::size_t band = 0;
      if (mapped.per_band) {
        const auto found = std::ranges::find(mapped.bands, (*captures)["band"], &MappedBand::in_file);
        if (found == mapped.bands.end()) continue;
        band = static_cast<std::size_t>(found - mapped.bands.begin());
      }
      const bool is_cloud = slot == mapping_.modalities.size();
      const std::string id = mapped.id_file ? joined_id(mapped, file, *captures) : (*captures)["id"];
      if (is_cloud && !places_.contains(id)) continue;
      ++matched;
      add(places_[id], id, mapped, slot, band, file, *captures);
      if (dangling) places_[id].dangling = true;
    }
    if (matched == 0) {
      log::warn("no file under {} matches {} of [{}]: the corpus will lack it", mapping_.root.string(),
                mapped.files->text(), mapped.section);
    }
  }

  /// The id that a JSON beside the raster names. Its many bands share the file.
  std::string joined_id(const MappedModality& mapped, const std::string& file, const Captures& captures) {
    const auto name = mapped.id_file->expand(captures);
    const ErrorContext context{"join a raster with its place", (mapping_.root / file).string(),
                               "mend id_file and id_key of [" + mapped.section + "]"};
    if (!name) throw UsageError("id_file uses a name that files does not have", context);
    const fs::path path = mapping_.root / fs::path(file).parent_path() / *name;
    if (path != last_id_file_) {
      last_id_ = json_get<std::string>(read_json(path), mapped.id_key, path.string());
      last_id_file_ = path;
    }
    return last_id_;
  }

  void add(Place& place, const std::string& id, const MappedModality& mapped, std::size_t slot,
           std::size_t band, const std::string& file, Captures& captures) {
    if (place.files.empty()) {
      place.id = id;
      place.files.resize(mapping_.modalities.size() + 1);
    }
    auto& files = place.files[slot];
    if (files.empty()) files.resize(mapped.per_band ? mapped.bands.size() : 1);
    if (!files[band].empty()) {
      throw FormatError(
          files[band] + " and " + file + " both are [" + mapped.section + "] of the place " + id,
          {"look for rasters", mapping_.root, "let {id} take what tells them apart"});
    }
    files[band] = file;
    if (place.date.empty()) place.date = date_of(file, captures);
    if (place.label.empty()) place.label = captures["label"];
    const LabelRules& labels = mapping_.labels;
    if (labels.from == LabelRules::From::kJson && place.label_file.empty()) {
      captures["id"] = id;
      if (const auto name = labels.file->expand(captures)) {
        place.label_file = (fs::path(file).parent_path() / *name).generic_string();
      }
    }
  }

  std::string date_of(const std::string& file, Captures& captures) const {
    if (captures.contains("date")) return with_dashes(captures["date"]);
    if (!mapping_.date) return "";
    auto found = mapping_.date->match(file);
    return found ? with_dashes((*found)["date"]) : "";
  }

  const Mapping& mapping_;
  Listing listing_;
  std::map<std::string, Place> places_;
  fs::path last_id_file_;
  std::string last_id_;
};

}  // namespace

std::vector<Place> find_places(const Mapping& mapping) { return PlaceFinder(mapping).find(); }

std::vector<std::string> find_by_position(const Mapping& mapping, const MappedModality& modality) {
  Listing listing(mapping.root);
  std::vector<std::string> files;
  for (const Listed& each : listing.below(modality.files->folder())) {
    if (modality.files->match(each.file)) files.push_back(each.file);
  }
  if (files.empty()) {
    log::warn("no file under {} matches {} of [{}]: the corpus will lack it", mapping.root.string(),
              modality.files->text(), modality.section);
  }
  return files;
}

}  // namespace terramill::corpus
