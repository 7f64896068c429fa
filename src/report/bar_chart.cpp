#include "svg.hpp"

#include <terramill/report/bar_chart.hpp>
#include <terramill/report/markup.hpp>

#include <algorithm>
#include <cmath>

namespace terramill::report {

namespace {

constexpr int kLegendLine = 18;
constexpr std::size_t kColors = 7;
constexpr int kWidth = 400, kMargin = 10, kTop = 52, kRow = 38, kBottom = 30;
constexpr double kLeft = kMargin, kRight = kWidth - kMargin;

/// The end of the scale: the least of 1, 2, 4, 6, 8 x 10^n that reaches `share`, at most 1.
double scale_of(double share) {
  for (double power = 1e-4; power < 1; power *= 10) {
    for (const double step : {1.0, 2.0, 4.0, 6.0, 8.0}) {
      if (step * power >= share) return step * power;
    }
  }
  return 1;
}

}  // namespace

std::string paired_bars(const std::string& title, const std::string& description,
                        const std::vector<PairedBar>& bars) {
  double most = 0;
  for (const PairedBar& bar : bars) most = std::max({most, bar.before, bar.after});
  const double scale = scale_of(most);
  const int height = kTop + kRow * static_cast<int>(bars.size()) + kBottom;
  const double bottom = height - kBottom;
  std::string svg = svg_open("bars", title, description, kWidth, height);
  svg += format("<text class=\"title\" x=\"%d\" y=\"20\">", kMargin) + escape_markup(title) + "</text>";
  svg += format(
      "<rect class=\"before\" x=\"%d.5\" y=\"31.5\" width=\"20\" height=\"8\"/><text class=\"name\" x=\"%d\" "
      "y=\"40\">before</text>",
      kMargin, kMargin + 27);
  svg += format(
      "<rect class=\"f6\" x=\"%d\" y=\"31\" width=\"20\" height=\"9\"/><text class=\"name\" x=\"%d\" "
      "y=\"40\">after sampling</text>",
      kMargin + 90, kMargin + 117);
  for (int i = 0; i <= 4; ++i) {
    const double x = kLeft + (kRight - kLeft) * i / 4;
    svg += format("<line class=\"%s\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%.1f\"/>",
                  i == 0 ? "axis" : "grid", x, x, kTop, bottom);
    svg += format("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%.4g %%</text>", x, bottom + 17,
                  i == 0   ? "start"
                  : i == 4 ? "end"
                           : "middle",
                  100 * scale * i / 4);
  }
  double y = kTop;
  for (const PairedBar& bar : bars) {
    const auto width = [&](double share) { return std::max(0.0, share) / scale * (kRight - kLeft); };
    svg += format("<text class=\"name\" x=\"%.1f\" y=\"%.1f\">", kLeft + 4, y + 15) +
           escape_markup(bar.name) +
           format("</text><text class=\"value\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">", kRight, y + 15) +
           percent_text(bar.before) + " → " + percent_text(bar.after) + "</text>";
    svg += format("<rect class=\"before\" x=\"%.1f\" y=\"%.1f\" width=\"%.2f\" height=\"6\"/>", kLeft,
                  y + 20.5, width(bar.before));
    svg += format(
        "<rect class=\"after\" fill=\"#%02x%02x%02x\" x=\"%.1f\" y=\"%.1f\" width=\"%.2f\" height=\"7\"/>",
        bar.color[0], bar.color[1], bar.color[2], kLeft, y + 28, width(bar.after));
    y += kRow;
  }
  return svg + "</svg>\n";
}

std::string stacked_bars(const std::string& title, const std::string& description,
                         const std::vector<std::string>& parts, const std::vector<StackedBar>& bars) {
  // The legend first: its lines decide on the height.
  std::string legend;
  double x = kMargin, y = 40;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const double width = 25 + advance_width(parts[i], 12.5) + 12;
    if (x > kMargin && x + width > kWidth) {
      x = kMargin;
      y += kLegendLine;
    }
    legend += format("<rect class=\"area f%zu\" x=\"%.1f\" y=\"%.1f\" width=\"16\" height=\"10\"/>",
                     i % kColors, x, y - 9) +
              format("<text class=\"name\" x=\"%.1f\" y=\"%.1f\">", x + 22, y) + escape_markup(parts[i]) +
              "</text>";
    x += width;
  }
  const double top = y + 12, bottom = top + kRow * static_cast<double>(bars.size());
  std::string svg =
      svg_open("bars", title, description, kWidth, static_cast<int>(std::lround(bottom)) + kBottom);
  svg +=
      format("<text class=\"title\" x=\"%d\" y=\"20\">", kMargin) + escape_markup(title) + "</text>" + legend;
  for (int i = 0; i <= 4; ++i) {
    const double at = kLeft + (kRight - kLeft) * i / 4;
    svg += format("<line class=\"%s\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>",
                  i == 0 ? "axis" : "grid", at, at, top, bottom) +
           format("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%d %%</text>", at, bottom + 17,
                  i == 0   ? "start"
                  : i == 4 ? "end"
                           : "middle",
                  25 * i);
  }
  double row = top;
  for (const StackedBar& bar : bars) {
    svg += format("<text class=\"name\" x=\"%.1f\" y=\"%.1f\">", kLeft + 4, row + 15) +
           escape_markup(bar.name) +
           format("</text><text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">", kRight, row + 15) +
           escape_markup(bar.note) + "</text>";
    double from = 0;
    for (std::size_t i = 0; i < bar.parts.size(); ++i) {
      const double part = std::clamp(bar.parts[i], 0.0, 1 - from);
      svg += format("<rect class=\"area f%zu\" x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"13\"/>",
                    i % kColors, kLeft + from * (kRight - kLeft), row + 20, part * (kRight - kLeft));
      from += part;
    }
    row += kRow;
  }
  return svg + "</svg>\n";
}

}  // namespace terramill::report
