#include <terramill/core/error.hpp>
#include <terramill/core/json.hpp>

#include <array>
#include <charconv>
#include <cmath>
#include <string>
#include <string_view>

namespace terramill {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

void append_escape(std::string& out, unsigned unit) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += kDigits[(unit >> shift) & 15U];
}

/// Decodes the UTF-8 character at `text[position]` and moves behind it; U+FFFD, one byte on, for what is
/// none.
char32_t next_character(std::string_view text, std::size_t& position) {
  const auto lead = static_cast<unsigned char>(text[position++]);
  if (lead < 0x80) return lead;
  const int following = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
  if (lead < 0xC2 || lead > 0xF4 || position + static_cast<std::size_t>(following) > text.size())
    return kReplacement;
  char32_t point = lead & (0x3FU >> following);
  for (int i = 0; i < following; ++i) {
    const auto byte = static_cast<unsigned char>(text[position + static_cast<std::size_t>(i)]);
    if ((byte & 0xC0U) != 0x80U) return kReplacement;
    point = (point << 6) | (byte & 0x3FU);
  }
  constexpr std::array<char32_t, 4> kLeast = {0, 0x80, 0x800, 0x10000};
  if (point < kLeast[static_cast<std::size_t>(following)] || point > 0x10FFFF ||
      (point >= 0xD800 && point < 0xE000)) {
    return kReplacement;
  }
  position += static_cast<std::size_t>(following);
  return point;
}

void append_string(std::string& out, std::string_view text) {
  out += '"';
  for (std::size_t i = 0; i < text.size();) {
    const char32_t point = next_character(text, i);
    switch (point) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        if (point >= ' ' && point <= '~') {
          out += static_cast<char>(point);
        } else if (point < 0x10000) {
          append_escape(out, static_cast<unsigned>(point));
        } else {
          append_escape(out, 0xD800U + static_cast<unsigned>((point - 0x10000) >> 10));
          append_escape(out, 0xDC00U + static_cast<unsigned>((point - 0x10000) & 0x3FFU));
        }
    }
  }
  out += '"';
}

class Writer {
 public:
  explicit Writer(int indent) : indent_(indent) {}

  void write(const Json& value) {
    switch (value.type()) {
      case Json::value_t::object:
        return write_object(value);
      case Json::value_t::array:
        return write_array(value);
      case Json::value_t::string:
        return append_string(out_, value.get_ref<const std::string&>());
      case Json::value_t::number_float:
        out_ += shortest_text(value.get<double>());
        return;
      case Json::value_t::number_integer:
        out_ += std::to_string(value.get<std::int64_t>());
        return;
      case Json::value_t::number_unsigned:
        out_ += std::to_string(value.get<std::uint64_t>());
        return;
      case Json::value_t::boolean:
        out_ += value.get<bool>() ? "true" : "false";
        return;
      case Json::value_t::null:
        out_ += "null";
        return;
      case Json::value_t::binary:
      case Json::value_t::discarded:
        break;
    }
    throw FormatError("JSON has no form for a binary or discarded value", {"write JSON", "", ""});
  }
  std::string take() { return std::move(out_); }

 private:
  void write_object(const Json& value) {
    if (value.empty()) {
      out_ += "{}";
      return;
    }
    out_ += '{';
    ++depth_;
    bool first = true;
    for (const auto& [key, member] : value.get_ref<const Json::object_t&>()) {
      separate(first);
      append_string(out_, key);
      out_ += ": ";
      write(member);
    }
    close('}');
  }
  void write_array(const Json& value) {
    if (value.empty()) {
      out_ += "[]";
      return;
    }
    out_ += '[';
    ++depth_;
    bool first = true;
    for (const auto& element : value.get_ref<const Json::array_t&>()) {
      separate(first);
      write(element);
    }
    close(']');
  }
  void separate(bool& first) {
    if (!first) out_ += indent_ < 0 ? ", " : ",";
    first = false;
    new_line();
  }
  void close(char bracket) {
    --depth_;
    new_line();
    out_ += bracket;
  }
  void new_line() {
    if (indent_ >= 0) out_.append(1, '\n').append(static_cast<std::size_t>(indent_) * depth_, ' ');
  }

  int indent_;
  std::size_t depth_ = 0;
  std::string out_;
};

}  // namespace

std::string shortest_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  // The shortest digits come as d.ddde±xx; Python writes them plainly for exponents from -4 to 15.
  std::array<char, 40> buffer;
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific).ptr;
  const std::string_view text(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
  const auto mark = text.find('e');
  int exponent = 0;
  const char* digits_of_exponent = text.data() + mark + (text[mark + 1] == '+' ? 2 : 1);
  std::from_chars(digits_of_exponent, end, exponent);
  if (exponent < -4 || exponent >= 16) return std::string(text);

  const bool negative = text.front() == '-';
  std::string digits;
  for (const char c : text.substr(0, mark)) {
    if (c >= '0' && c <= '9') digits += c;
  }
  const std::string sign = negative ? "-" : "";
  if (exponent < 0) return sign + "0." + std::string(static_cast<std::size_t>(-1 - exponent), '0') + digits;
  const std::size_t whole = static_cast<std::size_t>(exponent) + 1;  // digits before the point
  if (digits.size() <= whole) return sign + digits + std::string(whole - digits.size(), '0') + ".0";
  return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

std::string dump_json(const Json& value, int indent) {
  Writer writer(indent);
  writer.write(value);
  return writer.take();
}

}  // namespace terramill
