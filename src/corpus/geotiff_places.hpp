#pragma once

#include "geotiff_mapping.hpp"

#include <string>
#include <vector>

namespace terramill::corpus {

/// What the folder has of one place: the files that share an id.
struct Place {
  std::string id;
  /// Per mapped modality its files, relative to the root: one, or one per band in the mapping's order (""
  /// where it lacks); empty when absent. Behind the modalities stands the cloud mask.
  std::vector<std::vector<std::string>> files;
  std::string date;        ///< "YYYY-MM-DD", or empty
  std::string label;       ///< what {label} stood for
  std::string label_file;  ///< JSON of its labels, relative to the root
  bool dangling = false;   ///< one of its files is a link to nothing
};

/// Lists the files under the root, matches them against the mapping and joins them by id; sorted by id, so
/// the order of the file system does not matter. UsageError when nothing matches, FormatError when two files
/// claim one part of a place, IoError when a folder cannot be listed.
std::vector<Place> find_places(const Mapping& mapping);

/// The files of a modality that is found by position, sorted.
std::vector<std::string> find_by_position(const Mapping& mapping, const MappedModality& modality);

}  // namespace terramill::corpus
