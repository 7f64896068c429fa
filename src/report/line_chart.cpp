#include <terramill/report/line_chart.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <optional>

namespace terramill::report {

namespace {

// A palette that colour-blind readers tell apart (Okabe and Ito, "Color universal design", 2008).
constexpr std::array<const char*, 7> kColors = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                "#e69f00", "#56b4e9", "#444444"};
constexpr double kLeft = 66, kRight = 16, kTop = 34, kBottom = 46;
constexpr double kLegendWidth = 160;  // beside the plot where there are more than three curves

template <typename... Args>
std::string format(const char* pattern, Args... args) {
  std::array<char, 256> text;
  std::snprintf(text.data(), text.size(), pattern, args...);
  return text.data();
}

/// The values of an axis and where they go, in pixels.
class Axis {
 public:
  Axis(double low, double high, bool logarithmic, double from, double to)
      : logarithmic_(logarithmic), from_(from), to_(to) {
    low_ = logarithmic ? std::log10(low) : low;
    high_ = logarithmic ? std::log10(high) : high;
    if (!(high_ > low_)) {
      low_ -= 0.5;
      high_ += 0.5;
    }
  }

  std::optional<double> place(double value) const {
    if (!std::isfinite(value) || (logarithmic_ && value <= 0)) return std::nullopt;
    const double v = logarithmic_ ? std::log10(value) : value;
    return from_ + (v - low_) / (high_ - low_) * (to_ - from_);
  }

  /// Round values: 1, 2 or 5 times a power of ten apart; on a logarithmic axis over more than a decade,
  /// powers of ten.
  std::vector<double> ticks() const {
    std::vector<double> result;
    if (logarithmic_ && high_ - low_ >= 1) {
      for (double e = std::ceil(low_); e <= high_; ++e) result.push_back(std::pow(10.0, e));
      return result;
    }
    const double low = logarithmic_ ? std::pow(10.0, low_) : low_,
                 high = logarithmic_ ? std::pow(10.0, high_) : high_;
    const double raw = (high - low) / 5, power = std::pow(10.0, std::floor(std::log10(raw)));
    const double step = power * (raw / power > 5 ? 10 : raw / power > 2 ? 5 : raw / power > 1 ? 2 : 1);
    for (double i = std::ceil(low / step); i * step <= high * (1 + 1e-12); ++i) result.push_back(i * step);
    return result;
  }

 private:
  bool logarithmic_;
  double from_, to_, low_, high_;
};

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();
  void add(double value, bool positive) {
    if (!std::isfinite(value) || (positive && value <= 0)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return !(high >= low); }
};

std::string path_of(const Series& series, const Axis& x, const Axis& y) {
  std::string path;
  bool drawing = false;
  for (std::size_t i = 0; i < std::min(series.x.size(), series.y.size()); ++i) {
    const auto px = x.place(series.x[i]), py = y.place(series.y[i]);
    if (!px || !py) {
      drawing = false;
      continue;
    }
    path += format("%c%.1f %.1f", drawing ? 'L' : 'M', *px, *py);
    drawing = true;
  }
  return path;
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

std::string line_chart(const ChartOptions& options, const std::vector<Series>& series) {
  Range xs, ys;
  for (const Series& one : series) {
    for (const double value : one.x) xs.add(value, false);
    for (const double value : one.y) ys.add(value, options.logarithmic);
  }
  const double right = options.width - (series.size() > 3 ? kLegendWidth : kRight),
               bottom = options.height - kBottom;
  std::string svg = format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" role=\"img\" "
      "font-family=\"sans-serif\" font-size=\"12\">",
      options.width, options.height);
  svg += "<title>" + escape_markup(options.title) +
         "</title><rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>";
  svg += format("<text x=\"%.0f\" y=\"20\" font-size=\"15\" font-weight=\"600\">", kLeft) +
         escape_markup(options.title) + "</text>";
  if (xs.empty() || ys.empty()) {
    return svg + format("<text x=\"%.0f\" y=\"%.0f\">no values</text></svg>\n", kLeft, (kTop + bottom) / 2);
  }
  const double margin = options.logarithmic ? 0 : 0.04 * (ys.high - ys.low);
  const Axis x(xs.low, xs.high, false, kLeft, right),
      y(ys.low - margin, ys.high + margin, options.logarithmic, bottom, kTop);
  for (const double tick : x.ticks()) {
    svg += format("<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#e4e4e4\"/>",
                  *x.place(tick), *x.place(tick), kTop, bottom);
    svg += format("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" fill=\"#555\">%g</text>",
                  *x.place(tick), bottom + 17, tick);
  }
  for (const double tick : y.ticks()) {
    svg += format("<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#e4e4e4\"/>", kLeft, right,
                  *y.place(tick), *y.place(tick));
    svg += format("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\" fill=\"#555\">%g</text>", kLeft - 6,
                  *y.place(tick) + 4, tick);
  }
  svg += format("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", (kLeft + right) / 2, bottom + 36) +
         escape_markup(options.x_label) + "</text>";
  svg += format("<text transform=\"translate(14 %.1f) rotate(-90)\" text-anchor=\"middle\">",
                (kTop + bottom) / 2) +
         escape_markup(options.y_label) + "</text>";
  double legend = kTop + 14;
  const double legend_left = series.size() > 3 ? right + 10 : right - 150;
  for (std::size_t i = 0; i < series.size(); ++i) {
    const char* color = kColors[i % kColors.size()];
    // More than 14 curves repeat colours and dashes.
    const char* dash = i / kColors.size() % 2 == 0 ? "" : " stroke-dasharray=\"5 3\"";
    svg += format("<path fill=\"none\" stroke=\"%s\" stroke-width=\"1.6\"%s d=\"", color, dash) +
           path_of(series[i], x, y) + "\"/>";
    if (series.size() > 1) {
      svg +=
          format("<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-width=\"2\"%s/>",
                 legend_left, legend_left + 20, legend - 4, legend - 4, color, dash);
      svg += format("<text x=\"%.1f\" y=\"%.1f\">", legend_left + 25, legend) +
             escape_markup(series[i].name) + "</text>";
      legend += 16;
    }
  }
  return svg + "</svg>\n";
}

}  // namespace terramill::report
