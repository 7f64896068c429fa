#include "ini_lines.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/options.hpp>

#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace terramill {
namespace {

constexpr std::string_view kBlanks = " \t\r";

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

/// The text before its comment, which begins at a '#' that stands first or behind a blank.
std::string_view without_comment(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '#' && (i == 0 || kBlanks.find(text[i - 1]) != std::string_view::npos))
      return text.substr(0, i);
  }
  return text;
}

class Reader {
 public:
  explicit Reader(const std::filesystem::path& path) : path_(path.string()), text_(read_text(path)) {}

  std::vector<IniLine> read() {
    std::istringstream stream(text_);
    std::string raw;
    while (std::getline(stream, raw)) {
      ++line_;
      auto text = trimmed(raw);
      if (text.empty() || text.front() == '#' || text.front() == ';') continue;
      if (text.front() == '[') {
        section_ = section_name(trimmed(without_comment(text)));
      } else {
        entries_.push_back(entry(text));
      }
    }
    return std::move(entries_);
  }

 private:
  std::string section_name(std::string_view text) const {
    if (text.back() != ']') fail("a section's name ends with \"]\"");
    const auto name = trimmed(text.substr(1, text.size() - 2));
    if (name.empty()) fail("a section needs a name");
    return std::string(name);
  }
  IniLine entry(std::string_view text) const {
    const auto sign = text.find('=');
    if (sign == std::string_view::npos) fail("a line is a [section], a comment or \"key = value\"");
    const auto key = trimmed(text.substr(0, sign));
    if (key.empty()) fail("a key stands before \"=\"");
    const auto rest = trimmed(text.substr(sign + 1));
    return {section_, std::string(key),
            rest.starts_with('"') ? quoted(rest) : std::string(trimmed(without_comment(rest))), line_};
  }
  std::string quoted(std::string_view text) const {
    std::string value;
    for (std::size_t i = 1; i < text.size(); ++i) {
      if (text[i] == '"') {
        if (!trimmed(without_comment(text.substr(i + 1))).empty()) fail("nothing may follow a quoted value");
        return value;
      }
      if (text[i] == '\\' && i + 1 < text.size()) {
        ++i;
        value += text[i] == 'n' ? '\n' : text[i];
      } else {
        value += text[i];
      }
    }
    fail("a quoted value ends with '\"'");
  }
  [[noreturn]] void fail(const std::string& reason) const {
    throw FormatError(path_ + ":" + std::to_string(line_) + ": " + reason, {"read an INI file", path_, ""});
  }

  std::string path_, text_, section_;
  int line_ = 0;
  std::vector<IniLine> entries_;
};

}  // namespace

std::vector<IniLine> read_ini_lines(const std::filesystem::path& path) { return Reader(path).read(); }

std::string ini_value(const std::string& value) {
  const bool plain = value == trimmed(value) && value == without_comment(value) && !value.starts_with('"') &&
                     value.find('\n') == std::string::npos;
  if (plain) return value;
  std::string text = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') text += '\\';
    if (c == '\n') {
      text += "\\n";
    } else {
      text += c;
    }
  }
  return text + "\"";
}

IniFile read_ini(const std::filesystem::path& path) {
  IniFile file;
  for (auto& entry : read_ini_lines(path)) {
    if (!file[entry.section].emplace(entry.key, std::move(entry.value)).second) {
      throw FormatError(
          path.string() + ":" + std::to_string(entry.line) + ": " + entry.name() + " is given twice",
          {"read an INI file", path.string(), ""});
    }
  }
  return file;
}

std::vector<std::string> split_list(const std::string& text, char separator) {
  std::vector<std::string> parts;
  if (trimmed(text).empty()) return parts;
  std::string_view rest = text;
  for (;;) {
    const auto end = rest.find(separator);
    parts.emplace_back(trimmed(rest.substr(0, end)));
    if (end == std::string_view::npos) return parts;
    rest.remove_prefix(end + 1);
  }
}

}  // namespace terramill
