#include "ini_lines.hpp"
#include "option_state.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/json.hpp>
#include <terramill/core/options.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>
#include <ostream>
#include <type_traits>

namespace terramill {
namespace {

namespace po = boost::program_options;

constexpr const char* kCommandLine = "command line";

/// The whole of `text` as a number, or false.
template <typename T>
bool parse_number(const std::string& text, T& value) {
  const char* const end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  return result.ec == std::errc() && result.ptr == end;
}

bool parse_switch(const std::string& text, bool& value) {
  value = text == "true";
  return value || text == "false";
}

bool looks_like_number(const std::string& text) {
  double ignored = 0;
  return parse_number(text, ignored);
}

std::string listed(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

}  // namespace

std::string Option::type() const {
  if (is_switch()) return "true|false";
  if (std::holds_alternative<std::string*>(target)) return "text";
  return std::holds_alternative<double*>(target) ? "number" : "integer";
}

std::string Option::text() const {
  return std::visit(
      [](const auto* value) -> std::string {
        using T = std::remove_cvref_t<decltype(*value)>;
        if constexpr (std::is_same_v<T, std::string>) {
          return *value;
        } else if constexpr (std::is_same_v<T, bool>) {
          return *value ? "true" : "false";
        } else if constexpr (std::is_same_v<T, double>) {
          return std::isinf(*value) ? (*value > 0 ? "inf" : "-inf") : shortest_text(*value);
        } else {
          return std::to_string(*value);
        }
      },
      target);
}

void Option::assign(const std::string& value, Origin from, const std::string& given_in) {
  const auto refuse = [&](const std::string& expected, const std::string& advice = "") {
    throw UsageError(
        "option " + name + " (" + given_in + "): \"" + value + "\" is not valid, expected is " + expected,
        {"read the options", name, advice});
  };
  const std::string in_units = unit.empty() ? "" : " (" + unit + ")";
  if (!choices.empty() && std::find(choices.begin(), choices.end(), value) == choices.end()) {
    const auto meant = nearest(value, choices);
    refuse("one of " + listed(choices), meant ? "did you mean " + *meant + "?" : "");
  }
  std::visit(
      [&](auto* into) {
        using T = std::remove_cvref_t<decltype(*into)>;
        if constexpr (std::is_same_v<T, std::string>) {
          *into = value;
        } else if constexpr (std::is_same_v<T, bool>) {
          if (!parse_switch(value, *into)) refuse("true or false");
        } else if constexpr (std::is_same_v<T, double>) {
          double number = 0;
          if (!parse_number(value, number) || std::isnan(number)) refuse("a number" + in_units);
          *into = number;
        } else {
          T number = 0;
          if (!parse_number(value, number)) {
            refuse("an integer from " + std::to_string(std::numeric_limits<T>::min()) + " to " +
                   std::to_string(std::numeric_limits<T>::max()) + in_units);
          }
          *into = number;
        }
      },
      target);
  origin = from;
  where = given_in;
}

OptionTable::State::State(std::string usage_line, std::string summary_line)
    : usage(std::move(usage_line)), summary(std::move(summary_line)) {
  const auto built_in = [this](const char* name, Option::Target target, const char* help) {
    declare(name, target, help).built_in = true;
  };
  built_in("help", &help_wanted, "show this text and end");
  built_in("config", &config, "INI file read before the command line");
  built_in("print-config", &print_wanted, "show every option's value and origin as an INI file and end");
  built_in("json", &json_wanted, "write the result as one JSON object to standard output");
}

Option& OptionTable::State::declare(const std::string& name, Option::Target target, const std::string& help,
                                    const std::string& unit, const std::vector<std::string>& choices) {
  if (find(name) != nullptr) throw Error("the option " + name + " is declared twice");
  Option option;
  option.name = name;
  option.help = help;
  option.unit = unit;
  option.choices = choices;
  option.target = target;
  option.default_text = option.text();
  options.push_back(std::move(option));
  engine.add_options()(name.c_str(), po::value<std::string>(), help.c_str());
  return options.back();
}

Option* OptionTable::State::find(const std::string& name) {
  const auto found =
      std::find_if(options.begin(), options.end(), [&](const Option& o) { return o.name == name; });
  return found == options.end() ? nullptr : std::to_address(found);
}

Option& OptionTable::State::known(const std::string& name) {
  Option* const option = find(name);
  if (option == nullptr) throw Error("no option " + name + " is declared");
  return *option;
}

std::vector<std::string> OptionTable::State::names() const {
  std::vector<std::string> all;
  for (const auto& option : options) all.push_back(option.name);
  return all;
}

void OptionTable::State::refuse_unknown(const std::string& name, const std::string& where) const {
  auto meant = nearest(name, names());
  if (!meant) {  // the right name under no or another section
    const auto own = [](const std::string& full) {
      std::string last = full.substr(full.rfind('.') + 1);
      std::ranges::replace(last, '-', '_');
      return last;
    };
    for (const auto& candidate : names()) {
      if (!meant && own(candidate) == own(name)) meant = candidate;
    }
  }
  throw UsageError("unknown option " + name + " (" + where + ")",
                   {"read the options", name, meant ? "did you mean " + *meant + "?" : "see --help"});
}

void OptionTable::State::read_file(const std::string& path) {
  std::vector<IniLine> lines;
  try {
    lines = read_ini_lines(path);
  } catch (const Error& fault) {  // whatever ails the file the user named, it is the user who must mend it
    throw UsageError(fault.message(), {"read the configuration", path, fault.context().advice});
  }
  for (const auto& line : lines) {
    const std::string where = path + ":" + std::to_string(line.line);
    Option* const option = find(line.name());
    if (option == nullptr) refuse_unknown(line.name(), where);
    if (option->built_in) {
      throw UsageError("option " + line.name() + " (" + where + ") belongs on the command line",
                       {"read the configuration", path, ""});
    }
    if (option->origin == Origin::kFile) {
      throw UsageError("option " + line.name() + " is given twice: " + option->where + " and " + where,
                       {"read the configuration", path, ""});
    }
    option->assign(line.value, Origin::kFile, where);
  }
}

void OptionTable::State::refuse_without_value(const Option& option) {
  throw UsageError("option " + option.name + " (" + kCommandLine + ") needs a value: " + option.type() +
                       (option.unit.empty() ? "" : ", " + option.unit),
                   {"read the options", option.name, "see --help"});
}

std::vector<std::string> OptionTable::State::engine_form(const std::vector<std::string>& arguments) {
  const auto end_mark = std::find(arguments.begin(), arguments.end(), "--");
  std::vector<std::string> tokens;
  for (auto token = arguments.begin(); token != end_mark; ++token) {
    const auto sign = token->find('=');
    Option* const option = token->starts_with("--") ? find(token->substr(2, sign - 2)) : nullptr;
    if (option == nullptr) {
      tokens.push_back(*token);
    } else if (sign != std::string::npos) {
      tokens.push_back(*token);
      if (sign + 1 == token->size()) {
        tokens.back().pop_back();
        tokens.emplace_back();
      }
    } else if (const auto next = std::next(token); option->is_switch()) {
      const bool valued = next != end_mark && (*next == "true" || *next == "false");
      tokens.push_back(*token + "=" + (valued ? *next : "true"));
      if (valued) ++token;
    } else {
      if (next == end_mark) refuse_without_value(*option);
      if (next->starts_with("--") && find(next->substr(2, next->find('=') - 2)) != nullptr) {
        refuse_without_value(*option);
      }
      tokens.push_back(*token);
      tokens.push_back(*next);
      ++token;
    }
  }
  tokens.insert(tokens.end(), end_mark, arguments.end());
  return tokens;
}

std::vector<std::pair<std::string, std::string>> OptionTable::State::read_arguments(
    const std::vector<std::string>& arguments) {
  std::vector<std::pair<std::string, std::string>> given;
  std::vector<std::string> placed;
  try {
    using Style = po::command_line_style::style_t;
    const auto parsed = po::command_line_parser(engine_form(arguments))
                            .options(engine)
                            .style(Style::allow_long | Style::long_allow_adjacent | Style::long_allow_next)
                            .allow_unregistered()
                            .run();
    for (const auto& option : parsed.options) {
      const std::string value = option.value.empty() ? "" : option.value.front();
      if (option.position_key >= 0) {
        placed.push_back(value);
      } else if (option.unregistered) {
        refuse_unknown(option.string_key, kCommandLine);
      } else {
        given.emplace_back(option.string_key, value);
      }
    }
  } catch (const po::error& fault) {
    throw UsageError(fault.what(), {"read the options", kCommandLine, "see --help"});
  }

  std::vector<std::string> places;
  for (const auto& option : options) {
    if (option.positional) places.push_back(option.name);
  }
  const auto end_mark = std::find(arguments.begin(), arguments.end(), "--");
  const auto literal =
      static_cast<std::size_t>(std::max<std::ptrdiff_t>(0, std::distance(end_mark, arguments.end()) - 1));
  for (std::size_t i = 0; i < placed.size(); ++i) {
    const auto& value = placed[i];
    const bool dashed = value.size() > 1 && value.front() == '-' && !looks_like_number(value);
    if (dashed && i + literal < placed.size()) refuse_unknown(value, kCommandLine);
    if (i >= places.size()) {
      throw UsageError("unexpected argument \"" + value + "\" (" + kCommandLine + ")",
                       {"read the options", value, "usage: " + usage});
    }
    given.emplace_back(places[i], value);
  }
  return given;
}

void OptionTable::State::assign_command_line(const std::vector<std::pair<std::string, std::string>>& given) {
  for (const auto& [name, value] : given) known(name).assign(value, Origin::kCommandLine, kCommandLine);
}

void OptionTable::State::demand_required() const {
  for (const auto& option : options) {
    if (!option.required || option.origin != Origin::kDefault) continue;
    throw UsageError(
        (option.positional ? "the argument " : "the option --") + option.name + " is missing: " + option.help,
        {"read the options", option.name, "usage: " + usage});
  }
}

OptionTable::OptionTable(std::string usage, std::string summary)
    : state_(std::make_unique<State>(std::move(usage), std::move(summary))) {}
OptionTable::~OptionTable() = default;
OptionTable::OptionTable(OptionTable&&) noexcept = default;
OptionTable& OptionTable::operator=(OptionTable&&) noexcept = default;

void OptionTable::add(const std::string& name, std::string* value, const std::string& help,
                      const std::string& unit, const std::vector<std::string>& choices) {
  state_->declare(name, value, help, unit, choices);
}
void OptionTable::add(const std::string& name, std::int64_t* value, const std::string& help,
                      const std::string& unit) {
  state_->declare(name, value, help, unit);
}
void OptionTable::add(const std::string& name, int* value, const std::string& help, const std::string& unit) {
  state_->declare(name, value, help, unit);
}
void OptionTable::add(const std::string& name, double* value, const std::string& help,
                      const std::string& unit) {
  state_->declare(name, value, help, unit);
}
void OptionTable::add(const std::string& name, bool* value, const std::string& help) {
  state_->declare(name, value, help);
}

void OptionTable::positional(const std::string& name, std::string* value, const std::string& help,
                             bool required) {
  Option& option = state_->declare(name, value, help);
  option.positional = true;
  option.required = required;
}

void OptionTable::require(const std::string& name) { state_->known(name).required = true; }

bool OptionTable::parse(const std::vector<std::string>& arguments, std::ostream& out) {
  const auto end_mark = std::find(arguments.begin(), arguments.end(), "--");
  if (std::find_if(arguments.begin(), end_mark, [](const auto& a) { return a == "--help" || a == "-h"; }) !=
      end_mark) {
    out << help();
    return false;
  }
  const auto given = state_->read_arguments(arguments);
  for (const auto& [name, value] : given) {
    if (name == "config") state_->config = value;
  }
  if (!state_->config.empty()) state_->read_file(state_->config);
  state_->assign_command_line(given);
  if (state_->print_wanted) {
    out << to_ini();
    return false;
  }
  state_->demand_required();
  return true;
}

bool OptionTable::json() const { return state_->json_wanted; }

Origin OptionTable::origin(const std::string& name) const { return state_->known(name).origin; }

std::vector<std::pair<std::string, std::string>> OptionTable::values() const {
  std::vector<std::pair<std::string, std::string>> all;
  for (const auto& option : state_->options) {
    if (!option.built_in) all.emplace_back(option.name, option.text());
  }
  return all;
}

}  // namespace terramill
