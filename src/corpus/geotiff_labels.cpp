#include "geotiff_labels.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/json.hpp>
#include <terramill/core/options.hpp>

#include <algorithm>
#include <cerrno>
#include <set>
#include <sstream>

namespace terramill::corpus {
namespace {

/// One line of a table: fields may stand in double quotes, in which two quotes mean one (RFC 4180).
std::vector<std::string> csv_fields(const std::string& line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (quoted && line[i] == '"' && i + 1 < line.size() && line[i + 1] == '"') {
      fields.back() += line[i++];
    } else if (line[i] == '"') {
      quoted = !quoted;
    } else if (line[i] == ',' && !quoted) {
      fields.emplace_back();
    } else if (line[i] != '\r') {
      fields.back() += line[i];
    }
  }
  return fields;
}

}  // namespace

Labels::Labels(const Mapping& mapping, const std::vector<Place>& places)
    : rules_(mapping.labels), root_(mapping.root), names_(mapping.labels.classes) {
  std::set<std::string> used;
  if (rules_.from == LabelRules::From::kFolder) {
    for (const Place& place : places) {
      if (!place.label.empty()) used.insert(place.label);
    }
  } else if (rules_.from == LabelRules::From::kCsv) {
    const auto name = rules_.file->expand({});
    if (!name)
      throw UsageError("[labels] file is one table, without wildcards",
                       {"read labels", rules_.file->text(), ""});
    read_table(root_ / *name);
    for (const auto& [id, labels] : table_) used.insert(labels.begin(), labels.end());
  }
  if (names_.empty()) names_.assign(used.begin(), used.end());
  for (std::size_t i = 0; i < names_.size(); ++i) numbers_[names_[i]] = static_cast<int>(i);
  for (const std::string& name : used) {
    if (numbers_.contains(name)) continue;
    const auto meant = nearest(name, names_);
    throw UsageError(
        "the label \"" + name + "\" is none of [labels] classes",
        {"read labels", root_, meant ? "did you mean \"" + *meant + "\"?" : "add it to the classes"});
  }
  if (rules_.separator != 0 && names_.size() > 64) {
    throw UsageError("the table uses " + std::to_string(names_.size()) + " labels; label bits hold 64",
                     {"read labels", rules_.file->text(), ""});
  }
}

void Labels::read_table(const std::filesystem::path& path) {
  std::istringstream lines(read_text(path));
  std::string line;
  std::getline(lines, line);
  const auto header = csv_fields(line);
  const auto column = [&](const std::string& name) {
    const auto found = std::ranges::find(header, name);
    if (found == header.end()) {
      const auto meant = nearest(name, header);
      throw UsageError("the table has no column \"" + name + "\"",
                       {"read labels", path, meant ? "did you mean \"" + *meant + "\"?" : ""});
    }
    return static_cast<std::size_t>(found - header.begin());
  };
  const std::size_t id = column(rules_.id_column), label = column(rules_.label_column);
  for (std::size_t number = 2; std::getline(lines, line); ++number) {
    if (line.empty() || line == "\r") continue;
    const auto fields = csv_fields(line);
    if (fields.size() != header.size()) {
      throw FormatError(path.string() + ":" + std::to_string(number) + " has " +
                            std::to_string(fields.size()) + " fields where the header has " +
                            std::to_string(header.size()),
                        {"read labels", path, ""});
    }
    auto labels = rules_.separator != 0 ? split_list(fields[label], rules_.separator)
                                        : std::vector<std::string>{fields[label]};
    std::erase(labels, "");
    if (!table_.emplace(fields[id], std::move(labels)).second) {
      throw FormatError(path.string() + ":" + std::to_string(number) + " names " + fields[id] + " again",
                        {"read labels", path, ""});
    }
  }
}

std::optional<std::string> Labels::assign(const std::vector<std::string>& labels, bool many,
                                          TileRecord& record) const {
  for (const std::string& name : labels) {
    const auto found = numbers_.find(name);
    if (found == numbers_.end()) return "has the label \"" + name + "\", which is none of [labels] classes";
    if (many) {
      record.label_bits |= std::uint64_t{1} << found->second;
    } else {
      record.label = found->second;
    }
  }
  return std::nullopt;
}

std::optional<std::string> Labels::label(const Place& place, TileRecord& record) const {
  switch (rules_.from) {
    case LabelRules::From::kNone:
      break;
    case LabelRules::From::kFolder:
      return place.label.empty() ? std::nullopt : assign({place.label}, false, record);
    case LabelRules::From::kCsv: {
      const auto found = table_.find(place.id);
      return found == table_.end() ? std::nullopt : assign(found->second, rules_.separator != 0, record);
    }
    case LabelRules::From::kJson: {
      if (place.label_file.empty()) break;
      try {
        const std::string origin = "the file";
        const Json json = parse_json(read_text(root_ / place.label_file), origin);
        const bool many = json.is_object() && json.contains(rules_.key) && json[rules_.key].is_array();
        if (many) return assign(json_get<std::vector<std::string>>(json, rules_.key, origin), true, record);
        return assign({json_get<std::string>(json, rules_.key, origin)}, false, record);
      } catch (const IoError& error) {
        if (error.error_number() != ENOENT) throw;  // the file system's fault, not the tile's
        return "the file does not exist";
      } catch (const FormatError& fault) {
        return fault.message();
      }
    }
  }
  return std::nullopt;
}

}  // namespace terramill::corpus
