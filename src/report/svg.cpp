#include "svg.hpp"

#include <terramill/report/markup.hpp>

#include <algorithm>
#include <cctype>
#include <cmath>

namespace terramill::report {

namespace {

struct Ink {
  const char *name, *light, *dark;
};

// Lines: Okabe and Ito's palette ("Color universal design", 2008), which colour-blind readers tell apart; its
// yellow and sky blue darkened until they stand out from white. --map-N: a ramp away from the background.
constexpr std::array<Ink, 20> kColors{
    {{"ink", "#1c2126", "#e8eaed"},    {"muted", "#57606a", "#a3adb8"},  {"grid", "#e3e6ea", "#2b3138"},
     {"axis", "#8b949e", "#6b7682"},   {"line-0", "#0067a8", "#5cb8f0"}, {"line-1", "#c75000", "#ff9d5c"},
     {"line-2", "#00805e", "#41cf9f"}, {"line-3", "#a8518a", "#e69cc8"}, {"line-4", "#8a6a00", "#e4b84b"},
     {"line-5", "#3b7fae", "#9fd0f2"}, {"line-6", "#4a4f55", "#c3c9d0"}, {"land", "#e4e2dc", "#2f353b"},
     {"ocean", "#f6f8fa", "#1a1f24"},  {"map-0", "#f7a668", "#8f4b14"},  {"map-1", "#ee8136", "#b8641d"},
     {"map-2", "#d95f0e", "#dd832c"},  {"map-3", "#b34404", "#f2a24f"},  {"map-4", "#842f05", "#f9c584"},
     {"map-5", "#511a04", "#fdead0"},  {"outline", "#57606a", "#a3adb8"}}};

constexpr const char* kRules =
    R"(.chart text { font: 12.5px system-ui, "Segoe UI", Roboto, sans-serif; fill: var(--muted); }
.chart .title { font-size: 15px; font-weight: 600; fill: var(--ink); }
.chart .name, .chart .value { fill: var(--ink); }
.chart .grid { stroke: var(--grid); fill: none; }
.chart .axis { stroke: var(--axis); fill: none; }
.chart .line { fill: none; stroke-width: 1.75; stroke-linejoin: round; }
.chart .band { stroke: none; opacity: .2; }
.chart .area { stroke: none; opacity: .85; }
.chart .c0 { stroke: var(--line-0); } .chart .f0 { fill: var(--line-0); }
.chart .c1 { stroke: var(--line-1); } .chart .f1 { fill: var(--line-1); }
.chart .c2 { stroke: var(--line-2); } .chart .f2 { fill: var(--line-2); }
.chart .c3 { stroke: var(--line-3); } .chart .f3 { fill: var(--line-3); }
.chart .c4 { stroke: var(--line-4); } .chart .f4 { fill: var(--line-4); }
.chart .c5 { stroke: var(--line-5); } .chart .f5 { fill: var(--line-5); }
.chart .c6 { stroke: var(--line-6); } .chart .f6 { fill: var(--line-6); }
.chart .unjoined { stroke: none; }
.chart .dashed { stroke-dasharray: 5 3; }
.chart .before { fill: none; stroke: var(--outline); stroke-width: 1; }
.chart .after { stroke: var(--outline); stroke-width: .75; }
.chart .land { fill: var(--land); fill-rule: evenodd; } .chart .ocean { fill: var(--ocean); stroke: var(--axis); }
.chart .m0 { fill: var(--map-0); } .chart .m1 { fill: var(--map-1); } .chart .m2 { fill: var(--map-2); }
.chart .m3 { fill: var(--map-3); } .chart .m4 { fill: var(--map-4); } .chart .m5 { fill: var(--map-5); }
)";

void replace_all(std::string& text, const std::string& what, const std::string& with) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
}

/// Digits in groups of three, a narrow no-break space between, from five digits on.
std::string grouped(std::string digits) {
  const std::size_t end = std::min(digits.find('.'), digits.size());
  if (end > 4) {
    for (std::size_t at = end; at > 3;) digits.insert(at -= 3, "\u202f");
  }
  return digits;
}

std::string with_suffix(double value, double unit, const char* suffix) {
  return format("%.7g%s", value / unit, suffix);
}

std::string slug(const std::string& title) {
  std::string result = "chart";
  for (const char c : title) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      result += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else if (result.back() != '-') {
      result += '-';
    }
  }
  return result;
}

}  // namespace

std::string escape_markup(const std::string& text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

std::string chart_rules() { return kRules; }

std::string chart_colors(bool dark) {
  std::string css;
  for (const Ink& color : kColors)
    css += std::string("--") + color.name + ": " + (dark ? color.dark : color.light) + "; ";
  return css;
}

std::string standalone_svg(const std::string& chart) {
  std::string rules = kRules;
  for (const Ink& color : kColors) replace_all(rules, std::string("var(--") + color.name + ")", color.light);
  std::string document = chart;
  const std::size_t head = document.find('>');
  if (head != std::string::npos)
    document.insert(head + 1,
                    "<style>" + rules + "</style><rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>");
  return document;
}

std::string readable(double value) {
  if (std::isnan(value)) return "not a number";
  if (std::isinf(value)) return value > 0 ? "∞" : "−∞";
  const double size = std::abs(value);
  std::string text = size == 0                                 ? "0"
                     : size >= 1e15 || size < 1e-4             ? format("%.3e", size)
                     : size >= 1e3 || size == std::floor(size) ? grouped(format("%.0f", size))
                                                               : format("%.4g", size);
  // 1.500e-04 as 1.5e-4
  if (const std::size_t e = text.find('e'); e != std::string::npos && text != "∞") {
    std::string digits = text.substr(0, e);
    while (digits.find('.') != std::string::npos && (digits.back() == '0' || digits.back() == '.')) {
      const bool point = digits.back() == '.';
      digits.pop_back();
      if (point) break;
    }
    text = digits + format("e%d", std::stoi(text.substr(e + 1)));
  }
  return (value < 0 ? "−" : "") + text;
}

std::string tick_text(double value, double apart) {
  const double size = std::abs(value);
  const std::string sign = value < 0 ? "−" : "";
  if (size >= 1e9 && size < 1e12) return sign + with_suffix(size, 1e9, "G");
  if (size >= 1e6 && size < 1e9) return sign + with_suffix(size, 1e6, "M");
  if (size >= 1e4 && size < 1e6) return sign + with_suffix(size, 1e3, "k");
  const int decimals = apart > 0 ? std::max(0, -static_cast<int>(std::floor(std::log10(apart) + 1e-9))) : 0;
  if (value == 0) return "0";
  if (apart > 0 && (decimals <= 5 || size >= 1e-3)) return sign + format("%.*f", decimals, size);
  return size >= 1e3 && size < 1e4 ? sign + format("%.6g", size) : readable(value);
}

std::string percent_text(double share) { return format("%.1f %%", 100 * share); }

double advance_width(const std::string& text, double size) {
  std::size_t letters = 0;
  for (const char c : text) letters += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1 : 0;
  return 0.55 * size * static_cast<double>(letters);
}

std::string svg_open(const std::string& kind, const std::string& title, const std::string& description,
                     int width, int height, const std::string& data) {
  const std::string id = slug(kind + " " + title) + format("-%d", width);
  std::string svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart " + kind + "\" role=\"img\" ";
  svg += format("viewBox=\"0 0 %d %d\" ", width, height) + data + " aria-labelledby=\"" + id + "-title " +
         id + "-description\">";
  svg += "<title id=\"" + id + "-title\">" + escape_markup(title) + "</title><desc id=\"" + id +
         "-description\">" + escape_markup(description) + "</desc>";
  return svg;
}

Axis::Axis(double low, double high, bool logarithmic, double from, double to)
    : logarithmic_(logarithmic),
      from_(from),
      to_(to),
      low_(logarithmic ? std::log10(low) : low),
      high_(logarithmic ? std::log10(high) : high) {
  if (!(high_ > low_)) {
    const double half = logarithmic || low_ == 0 ? 0.5 : 0.1 * std::abs(low_);
    low_ -= half;
    high_ += half;
  }
}

std::optional<double> Axis::place(double value) const {
  if (!std::isfinite(value) || (logarithmic_ && value <= 0)) return std::nullopt;
  const double v = logarithmic_ ? std::log10(value) : value;
  return from_ + (v - low_) / (high_ - low_) * (to_ - from_);
}

std::vector<double> Axis::ticks(int count) const {
  std::vector<double> result;
  if (logarithmic_ && high_ - low_ >= 1) {
    const double apart = std::ceil((high_ - low_) / count);
    for (double e = std::ceil(low_); e <= high_; e += apart) result.push_back(std::pow(10.0, e));
    if (result.size() > 1) return result;
    result.clear();
  }
  // A small chart may have no two such values among as many as it has room for.
  for (int wanted = count; result.size() < 2 && wanted <= count + 4; ++wanted) {
    result.clear();
    const double raw = (high() - low()) / wanted, power = std::pow(10.0, std::floor(std::log10(raw)));
    const double step = power * (raw / power > 5 ? 10 : raw / power > 2 ? 5 : raw / power > 1 ? 2 : 1);
    const double last = std::floor(high() / step + 1e-9);
    for (double i = std::ceil(low() / step - 1e-9); i <= last; ++i) result.push_back(i == 0 ? 0 : i * step);
  }
  return result;
}

double Axis::apart(const std::vector<double>& ticks) {
  if (ticks.size() < 2) return 0;
  const double first = ticks[1] - ticks[0], last = ticks.back() - ticks[ticks.size() - 2];
  return last < 1.5 * first ? first : 0;
}

double Axis::low() const { return logarithmic_ ? std::pow(10.0, low_) : low_; }
double Axis::high() const { return logarithmic_ ? std::pow(10.0, high_) : high_; }

}  // namespace terramill::report
