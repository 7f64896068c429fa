#pragma once

#include "geotiff_mapping.hpp"
#include "geotiff_places.hpp"

#include <terramill/corpus/tile.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace terramill::corpus {

/// The labels of a geotiff source. A class's number is its place in `names`: the mapping's `classes`, or else
/// the names that folders or the table use, sorted.
class Labels {
 public:
  /// Reads the table, or gathers the folders' names. UsageError when the mapping's classes lack one of them.
  Labels(const Mapping& mapping, const std::vector<Place>& places);

  const std::vector<std::string>& names() const noexcept { return names_; }
  /// Fills label (one class) or label_bits (several); a place without label stays -1 and 0. Returns what is
  /// wrong with the place's own label file, if anything. Thread-safe.
  std::optional<std::string> label(const Place& place, TileRecord& record) const;

 private:
  void read_table(const std::filesystem::path& path);
  std::optional<std::string> assign(const std::vector<std::string>& labels, bool many,
                                    TileRecord& record) const;

  LabelRules rules_;
  std::filesystem::path root_;
  std::vector<std::string> names_;
  std::map<std::string, int> numbers_;
  std::map<std::string, std::vector<std::string>> table_;  ///< id -> labels, from CSV
};

}  // namespace terramill::corpus
