#pragma once

#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace terramill {

/// Where an option's value came from.
enum class Origin { kDefault, kFile, kCommandLine };

/// The options of one subcommand: one Boost.Program_options table that reads an INI file and the command
/// line.
///
/// An option `section.name` is written `--section.name value` on the command line and `name = value` under
/// `[section]` in the file; options without a dot belong to the command line or the file's head. The command
/// line wins. Keys that no option has are refused with the nearest known one.
class OptionTable {
 public:
  /// `usage`: the line after "usage:"; `summary`: one sentence on what the subcommand does.
  OptionTable(std::string usage, std::string summary);
  ~OptionTable();
  OptionTable(OptionTable&&) noexcept;
  OptionTable& operator=(OptionTable&&) noexcept;

  /// Declares options. `unit` is shown by --help ("tiles", "degrees", or empty). The overloads bind a
  /// variable, whose present value is the default. `choices`, where given, are the only values allowed.
  void add(const std::string& name, std::string* value, const std::string& help, const std::string& unit = "",
           const std::vector<std::string>& choices = {});
  void add(const std::string& name, std::int64_t* value, const std::string& help,
           const std::string& unit = "");
  void add(const std::string& name, int* value, const std::string& help, const std::string& unit = "");
  void add(const std::string& name, double* value, const std::string& help, const std::string& unit = "");
  /// A switch: `--name` alone or `--name true|false`.
  void add(const std::string& name, bool* value, const std::string& help);
  /// A positional argument of that name, in order of declaration; required ones are refused when missing.
  /// It may also be given by name, as any option.
  void positional(const std::string& name, std::string* value, const std::string& help, bool required = true);
  /// Marks an option that must be given in the file or on the command line.
  void require(const std::string& name);

  /// Reads the command line (without program and subcommand) and, where `--config F` is given, the INI file F
  /// before it. Adds --help, --config, --print-config and --json itself. Returns false when --help or
  /// --print-config was asked for and printed to `out`, so that the caller ends with code 0. An option
  /// given twice counts as given last on the command line, and is refused in the file; behind `--` every
  /// argument is positional. UsageError for everything that is wrong.
  bool parse(const std::vector<std::string>& arguments, std::ostream& out);

  /// Whether --json was given.
  bool json() const;
  /// Where the value came from; Error for a name that is not declared.
  Origin origin(const std::string& name) const;
  /// Every option's name and value as text, in order of declaration: what is compared between ranks, stored
  /// in a checkpoint and printed by --print-config.
  std::vector<std::pair<std::string, std::string>> values() const;
  /// The INI form of `values()`, each line with its origin as a comment.
  std::string to_ini() const;
  /// What --help prints.
  std::string help() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The candidate closest to `word` by Damerau-Levenshtein distance, if one is close enough to be meant.
std::optional<std::string> nearest(const std::string& word, const std::vector<std::string>& candidates);

/// An INI file as section -> key -> value, for files with free keys (data-prep/*.ini). Keys before the first
/// section go to section "". A line that starts with `#` or `;` is a comment, and so is the rest of a line
/// behind a blank and
/// `#`; a value in double quotes keeps blanks and `#`, with the escapes \" \\ and \n. IoError, or FormatError
/// with the line number, also for a key given twice.
using IniFile = std::map<std::string, std::map<std::string, std::string>>;
IniFile read_ini(const std::filesystem::path& path);

/// Splits "a, b ,c" at `separator`, trimming blanks; empty text gives an empty list.
std::vector<std::string> split_list(const std::string& text, char separator = ',');

}  // namespace terramill
