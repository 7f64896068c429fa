#pragma once

#include <terramill/core/error.hpp>
#include <terramill/core/options.hpp>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace terramill::corpus {

/// One section of an INI whose keys are all known; every complaint names file, section and key.
class IniSection {
 public:
  /// UsageError, with the nearest known key, for a key that is not in `known`.
  IniSection(const std::string& file, const std::string& name, std::map<std::string, std::string> values,
             const std::vector<std::string>& known)
      : file_(file), name_(name), values_(std::move(values)) {
    for (const auto& [key, value] : values_) {
      bool is_known = false;
      for (const auto& each : known) is_known = is_known || each == key;
      if (is_known) continue;
      const auto meant = nearest(key, known);
      throw UsageError("[" + name_ + "] has no key \"" + key + "\"",
                       {"read the mapping", file_, meant ? "did you mean \"" + *meant + "\"?" : ""});
    }
  }

  const std::string& file() const noexcept { return file_; }
  const std::string& name() const noexcept { return name_; }
  bool has(const std::string& key) const { return values_.contains(key); }

  std::string text(const std::string& key, const std::string& otherwise = "") const {
    const auto found = values_.find(key);
    return found == values_.end() ? otherwise : found->second;
  }
  std::string required(const std::string& key) const {
    if (text(key).empty()) fail(key, "is missing");
    return text(key);
  }
  std::optional<double> number(const std::string& key) const {
    if (!has(key)) return std::nullopt;
    const auto value = parse_number(text(key));
    if (!value) fail(key, "= " + text(key) + " is no number");
    return value;
  }
  bool boolean(const std::string& key) const {
    const std::string value = text(key, "no");
    if (value != "yes" && value != "no") fail(key, "= " + value + " is neither yes nor no");
    return value == "yes";
  }

  [[noreturn]] void fail(const std::string& key, const std::string& reason,
                         const std::string& advice = "") const {
    throw UsageError("[" + name_ + "] " + key + " " + reason, {"read the mapping", file_, advice});
  }

  /// A whole text as a number, nan and inf included.
  static std::optional<double> parse_number(const std::string& text) {
    try {
      std::size_t used = 0;
      const double value = std::stod(text, &used);
      if (used == text.size()) return value;
    } catch (const std::exception&) {
    }
    return std::nullopt;
  }

 private:
  std::string file_, name_;
  std::map<std::string, std::string> values_;
};

}  // namespace terramill::corpus
