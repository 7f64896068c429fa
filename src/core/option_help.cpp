#include "ini_lines.hpp"
#include "option_state.hpp"

#include <terramill/core/options.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace terramill {
namespace {

constexpr std::size_t kTextWidth = 60;

/// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours.
std::size_t distance(const std::string& a, const std::string& b) {
  const std::size_t width = b.size() + 1;
  std::vector<std::size_t> table((a.size() + 1) * width);
  const auto at = [&](std::size_t i, std::size_t j) -> std::size_t& { return table[i * width + j]; };
  for (std::size_t i = 0; i <= a.size(); ++i) at(i, 0) = i;
  for (std::size_t j = 0; j <= b.size(); ++j) at(0, j) = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = at(i - 1, j - 1) + (a[i - 1] == b[j - 1] ? 0 : 1);
      at(i, j) = std::min({substituted, at(i - 1, j) + 1, at(i, j - 1) + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        at(i, j) = std::min(at(i, j), at(i - 2, j - 2) + 1);
      }
    }
  }
  return at(a.size(), b.size());
}

std::vector<std::string> wrapped(const std::string& text, std::size_t width) {
  std::vector<std::string> lines(1);
  for (const auto& word : split_list(text, ' ')) {
    if (word.empty()) continue;
    if (!lines.back().empty() && lines.back().size() + 1 + word.size() > width) lines.emplace_back();
    lines.back() += (lines.back().empty() ? "" : " ") + word;
  }
  return lines;
}

std::string section_of(const std::string& name) {
  const auto dot = name.find('.');
  return dot == std::string::npos ? "" : name.substr(0, dot);
}

/// The options' sections in order of first appearance, the one without a name first.
std::vector<std::string> sections_of(const std::vector<Option>& options) {
  std::vector<std::string> sections = {""};
  for (const auto& option : options) {
    const auto section = section_of(option.name);
    if (std::find(sections.begin(), sections.end(), section) == sections.end()) sections.push_back(section);
  }
  return sections;
}

using Row = std::array<std::string, 5>;  ///< option, type, unit, default, help

Row row_of(const Option& option) {
  Row row;
  row[0] = option.positional ? option.name : "--" + option.name;
  row[1] = option.is_switch() ? "switch" : option.type();
  row[2] = option.unit.empty() ? "-" : option.unit;
  row[3] = option.required ? "required" : option.default_text.empty() ? "-" : option.default_text;
  row[4] = option.help;
  if (!option.choices.empty()) {
    std::string choices;
    for (const auto& choice : option.choices) choices += (choices.empty() ? "" : " | ") + choice;
    row[4] += " (" + choices + ")";
  }
  return row;
}

}  // namespace

std::optional<std::string> nearest(const std::string& word, const std::vector<std::string>& candidates) {
  std::optional<std::string> best;
  std::size_t least = word.size() / 4 + 2;  // a quarter of the letters, and one more, may be wrong
  if (word.size() < 4) least = 2;
  for (const auto& candidate : candidates) {
    const std::size_t apart = distance(word, candidate);
    if (apart < least) {
      least = apart;
      best = candidate;
    }
  }
  return best;
}

std::string OptionTable::to_ini() const {
  std::string text;
  for (const auto& section : sections_of(state_->options)) {
    if (!section.empty()) text += (text.empty() ? "[" : "\n[") + section + "]\n";
    for (const auto& option : state_->options) {
      if (option.built_in || section_of(option.name) != section) continue;
      const std::string key = section.empty() ? option.name : option.name.substr(section.size() + 1);
      text += key + " = " + ini_value(option.text()) + "  # " +
              (option.where.empty() ? "default" : option.where) + "\n";
    }
  }
  return text;
}

std::string OptionTable::help() const {
  const Row header = {"option", "type", "unit", "default", "meaning"};
  std::array<std::size_t, 4> widths{};
  const auto widen = [&widths](const Row& row) {
    for (std::size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  };
  widen(header);
  for (const auto& option : state_->options) widen(row_of(option));

  std::string text = "usage: " + state_->usage + "\n\n" + state_->summary + "\n\n";
  const auto print = [&](const Row& row) {
    std::string start = "  ";
    for (std::size_t i = 0; i < widths.size(); ++i)
      start += row[i] + std::string(widths[i] - row[i].size() + 2, ' ');
    const std::string blank(start.size(), ' ');
    for (const auto& line : wrapped(row[4], kTextWidth)) {
      text += (line.empty() ? start.substr(0, start.find_last_not_of(' ') + 1) : start + line) + "\n";
      start = blank;
    }
  };
  print(header);
  for (const auto& section : sections_of(state_->options)) {
    if (!section.empty()) text += "[" + section + "]\n";
    for (const bool built_in : {false, true}) {
      for (const auto& option : state_->options) {
        if (option.built_in == built_in && section_of(option.name) == section) print(row_of(option));
      }
    }
  }
  return text;
}

}  // namespace terramill
