#pragma once

#include <terramill/core/options.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <boost/program_options.hpp>

namespace terramill {

/// One declared option.
struct Option {
  using Target = std::variant<std::string*, std::int64_t*, int*, double*, bool*>;

  std::string name, help, unit;
  std::vector<std::string> choices;
  Target target;
  std::string default_text;
  bool positional = false, required = false, built_in = false;
  Origin origin = Origin::kDefault;
  std::string where;  ///< "F.ini:12" or "command line"; empty for the default

  bool is_switch() const { return std::holds_alternative<bool*>(target); }
  /// "text", "integer", "number" or "true|false".
  std::string type() const;
  /// The present value.
  std::string text() const;
  /// Converts and stores; UsageError naming option, value and `given_in` when it does not fit.
  void assign(const std::string& value, Origin from, const std::string& given_in);
};

struct OptionTable::State {
  State(std::string usage_line, std::string summary_line);

  Option& declare(const std::string& name, Option::Target target, const std::string& help,
                  const std::string& unit = "", const std::vector<std::string>& choices = {});
  /// The option of that name, or null.
  Option* find(const std::string& name);
  /// The same for a name that the program itself wrote; throws where it is not declared.
  Option& known(const std::string& name);
  std::vector<std::string> names() const;
  void read_file(const std::string& path);
  void assign_command_line(const std::vector<std::pair<std::string, std::string>>& given);
  /// The arguments in the form that the engine takes in all cases: `--name=` becomes `--name ""`, and a
  /// switch gets its value. UsageError for an option that has none and needs one.
  std::vector<std::string> engine_form(const std::vector<std::string>& arguments);
  /// The arguments as (option, value) in order; positional ones under their names.
  std::vector<std::pair<std::string, std::string>> read_arguments(const std::vector<std::string>& arguments);
  void demand_required() const;
  [[noreturn]] static void refuse_without_value(const Option& option);
  [[noreturn]] void refuse_unknown(const std::string& name, const std::string& where) const;

  std::string usage, summary;
  std::vector<Option> options;
  boost::program_options::options_description engine;
  bool help_wanted = false, print_wanted = false, json_wanted = false;
  std::string config;
};

}  // namespace terramill
