#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace terramill {

/// JSON whose objects keep the order of their keys.
using Json = nlohmann::ordered_json;

/// Parses JSON text, accepting the bare tokens NaN, Infinity and -Infinity that Python's json module writes.
/// Of equal keys in one object the last counts, as in Python. FormatError names `origin` (a file name), line
/// and column of the first fault; values nested deeper than 1,000 levels are a fault.
Json parse_json(std::string_view text, const std::string& origin = "JSON text");

/// Reads and parses a file. IoError when it cannot be read, FormatError when it is not JSON.
Json read_json(const std::filesystem::path& path);

/// Writes JSON as Python's json.dumps does: NaN and infinities as bare tokens, doubles as `shortest_text`,
/// characters beyond ASCII escaped ("\u00e9"), keys in order. `indent` < 0 gives one line with ", " and ": ".
/// Bytes that are no UTF-8 become U+FFFD. FormatError for a binary value.
std::string dump_json(const Json& value, int indent = -1);

/// The shortest decimal text that reads back as `value`, as Python's repr writes it: "1.0", "1e-07", "1e+16",
/// "NaN", "Infinity", "-Infinity".
std::string shortest_text(double value);

/// The member `key` of `object`, converted; FormatError naming `origin` and the key where it is missing or of
/// another type.
template <typename T>
T json_get(const Json& object, const std::string& key, const std::string& origin);

}  // namespace terramill

#include <terramill/core/json_get.hpp>
