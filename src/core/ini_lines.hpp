#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace terramill {

/// One `key = value` of an INI file, with the line where it stands.
struct IniLine {
  std::string section, key, value;
  int line = 0;

  /// "section.key", or the key alone at the file's head.
  std::string name() const { return section.empty() ? key : section + "." + key; }
};

/// The entries of an INI file in order; the grammar is that of `read_ini`.
std::vector<IniLine> read_ini_lines(const std::filesystem::path& path);

/// The value as it must be written so that `read_ini_lines` gives it back.
std::string ini_value(const std::string& value);

}  // namespace terramill
