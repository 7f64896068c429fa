#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/json.hpp>

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace terramill {
namespace {

constexpr std::size_t kMaxDepth = 1000;

struct NonFinite {
  std::string_view token;
  char code;  ///< what follows the marker in the replacing string
  double value;
};
constexpr NonFinite kNonFinite[] = {
    {"NaN", 'n', std::numeric_limits<double>::quiet_NaN()},
    {"Infinity", 'p', std::numeric_limits<double>::infinity()},
    {"-Infinity", 'm', -std::numeric_limits<double>::infinity()},
};

/// The text with every bare non-finite token replaced by a marked string, and how to find the way back.
struct Prepared {
  std::string text;
  std::string
      marker;  ///< a private-use character that the original does not hold; empty: nothing was replaced
  /// (end of a replacement in `text`, bytes by which `text` is ahead of the original there), ascending
  std::vector<std::pair<std::size_t, std::ptrdiff_t>> shifts;

  std::size_t original_position(std::size_t position) const {
    auto after = std::upper_bound(shifts.begin(), shifts.end(), position,
                                  [](std::size_t p, const auto& shift) { return p < shift.first; });
    return after == shifts.begin() ? position : position - static_cast<std::size_t>(std::prev(after)->second);
  }
};

/// The first private-use character, as UTF-8, that `text` holds neither bare nor escaped.
std::string unused_marker(std::string_view text) {
  for (int i = 0; i < 100; ++i) {
    const int point =
        0xE000 + (i / 10) * 16 + i % 10;  // hexadecimal digits 0 to 9 only: two ways to escape it
    const std::string digits =
        std::string(1, static_cast<char>('0' + i / 10)) + static_cast<char>('0' + i % 10);
    std::string bare = {static_cast<char>(0xEE), static_cast<char>(0x80 | ((point >> 6) & 0x3F)),
                        static_cast<char>(0x80 | (point & 0x3F))};
    if (text.find(bare) == std::string_view::npos && text.find("\\ue0" + digits) == std::string_view::npos &&
        text.find("\\uE0" + digits) == std::string_view::npos) {
      return bare;
    }
  }
  throw FormatError("the text uses all of the private characters that mark NaN and Infinity");
}

bool is_key(std::string_view text, std::size_t after) {
  const auto next = text.find_first_not_of(" \t\r\n", after);
  return next != std::string_view::npos && text[next] == ':';
}

Prepared prepare(std::string_view text) {
  Prepared prepared;
  prepared.marker = unused_marker(text);
  prepared.text.reserve(text.size() + text.size() / 8);
  bool in_string = false;
  for (std::size_t i = 0; i < text.size();) {
    const char c = text[i];
    if (in_string || (c != 'N' && c != 'I' && c != '-')) {
      if (c == '"') in_string = !in_string;
      const std::size_t taken = in_string && c == '\\' && i + 1 < text.size() ? 2 : 1;
      prepared.text.append(text, i, taken);
      i += taken;
      continue;
    }
    const auto* found =
        std::find_if(std::begin(kNonFinite), std::end(kNonFinite), [&](const NonFinite& candidate) {
          return text.substr(i, candidate.token.size()) == candidate.token;
        });
    if (found == std::end(kNonFinite) || is_key(text, i + found->token.size())) {
      prepared.text += c;
      ++i;
      continue;
    }
    prepared.text += '"' + prepared.marker + found->code + '"';
    i += found->token.size();
    prepared.shifts.emplace_back(prepared.text.size(), static_cast<std::ptrdiff_t>(prepared.text.size()) -
                                                           static_cast<std::ptrdiff_t>(i));
  }
  return prepared;
}

/// Builds the document from the parser's events. It appends members without searching for their key, which
/// nlohmann's own builder does one by one: an object of a million tiles would take hours.
class Builder : public nlohmann::json_sax<Json> {
 public:
  explicit Builder(const std::string& marker) : marker_(marker) {}

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put(value); }
  bool number_unsigned(number_unsigned_t value) override { return put(value); }
  bool number_float(number_float_t value, const string_t&) override { return put(value); }
  bool string(string_t& value) override {
    if (!marker_.empty() && value.starts_with(marker_)) {
      for (const auto& candidate : kNonFinite) {
        if (value.back() == candidate.code) return put(candidate.value);
      }
    }
    return put(std::move(value));
  }
  bool binary(binary_t&) override { return false; }

  bool start_object(std::size_t) override { return open(Json::object()); }
  bool key(string_t& value) override {
    open_.back()->get_ref<Json::object_t&>().emplace_back(std::move(value), nullptr);
    return true;
  }
  bool end_object() override {
    keep_last_of_equal_keys(*open_.back());
    open_.pop_back();
    return true;
  }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_array() override {
    open_.pop_back();
    return true;
  }

  bool parse_error(std::size_t position, const std::string& last_token,
                   const nlohmann::detail::exception& fault) override {
    // The parser counts from 1 and stands behind the token at which it stopped.
    position_ = position == 0 ? 0 : position - 1;
    token_ = last_token;
    message_ = fault.what();
    return false;
  }

  Json take() { return std::move(root_); }
  bool too_deep() const noexcept { return too_deep_; }
  std::size_t position() const noexcept { return position_; }
  const std::string& message() const noexcept { return message_; }

 private:
  Json* place(Json value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& parent = *open_.back();
    if (parent.is_array()) {
      auto& elements = parent.get_ref<Json::array_t&>();
      elements.push_back(std::move(value));
      return &elements.back();
    }
    Json& member = parent.get_ref<Json::object_t&>().back().second;
    member = std::move(value);
    return &member;
  }
  bool put(Json value) {
    place(std::move(value));
    return true;
  }
  bool open(Json value) {
    too_deep_ = open_.size() >= kMaxDepth;
    if (!too_deep_) open_.push_back(place(std::move(value)));
    return !too_deep_;
  }

  static void keep_last_of_equal_keys(Json& object) {
    auto& members = object.get_ref<Json::object_t&>();
    std::unordered_set<std::string_view> keys;
    keys.reserve(members.size());
    const bool repeated = std::any_of(members.begin(), members.end(), [&keys](const auto& member) {
      return !keys.insert(member.first).second;
    });
    if (!repeated) return;
    Json kept = Json::object();
    for (auto& [key, value] : members) kept[key] = std::move(value);
    object = std::move(kept);
  }

  const std::string& marker_;
  Json root_;
  std::vector<Json*> open_;
  bool too_deep_ = false;
  std::size_t position_ = 0;
  std::string token_, message_;
};

/// Whether the text's last word is the beginning of a non-finite token, which the parser takes for a
/// misspelling.
bool ends_inside_token(std::string_view text) {
  return std::any_of(std::begin(kNonFinite), std::end(kNonFinite), [text](const NonFinite& candidate) {
    for (std::size_t length = 1; length < candidate.token.size(); ++length) {
      if (text.ends_with(candidate.token.substr(0, length))) return true;
    }
    return false;
  });
}

[[noreturn]] void refuse(std::string_view text, std::size_t position, const std::string& reason,
                         const std::string& origin) {
  const bool at_last_word = text.find_first_of(" \t\r\n,:[]{}\"", position) == std::string_view::npos;
  const bool cut = position >= text.size() || (at_last_word && ends_inside_token(text));
  const auto before = text.substr(0, std::min(position, text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const auto line_start = before.rfind('\n');
  const auto column = before.size() - (line_start == std::string_view::npos ? 0 : line_start + 1) + 1;
  const std::string where =
      origin + ", line " + std::to_string(line) + ", column " + std::to_string(column) + ": ";
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    throw FormatError(where + "the text is empty, not JSON", {"parse JSON", origin, ""});
  }
  if (cut) {
    throw FormatError(where + "the text ends in the middle of a value: it was cut short",
                      {"parse JSON", origin, "fetch or write the file again"});
  }
  throw FormatError(where + reason, {"parse JSON", origin, ""});
}

/// What the parser says, without its own numbering: "syntax error while parsing value - invalid literal; …".
std::string reason_of(const std::string& message) {
  const auto colon = message.find(": ");
  return colon == std::string::npos ? message : message.substr(colon + 2);
}

}  // namespace

Json parse_json(std::string_view text, const std::string& origin) {
  Prepared prepared;
  std::string_view input = text;
  if (text.find("NaN") != std::string_view::npos || text.find("Infinity") != std::string_view::npos) {
    prepared = prepare(text);
    input = prepared.text;
  }
  Builder builder(prepared.marker);
  if (!Json::sax_parse(input.begin(), input.end(), &builder)) {
    if (builder.too_deep()) {
      throw FormatError(origin + " nests values deeper than " + std::to_string(kMaxDepth) + " levels",
                        {"parse JSON", origin, ""});
    }
    refuse(text, prepared.original_position(builder.position()), reason_of(builder.message()), origin);
  }
  return builder.take();
}

Json read_json(const std::filesystem::path& path) { return parse_json(read_text(path), path.string()); }

}  // namespace terramill
