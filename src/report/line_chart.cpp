#include "svg.hpp"

#include <terramill/report/line_chart.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

namespace terramill::report {

namespace {

constexpr std::size_t kLines = 7;  // colours; further curves repeat them, dashed
constexpr double kMargin = 10, kBottom = 42, kCompactBottom = 26, kTextSize = 12.5, kLineHeight = 18;

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();
  void add(double value, bool positive) {
    if (!std::isfinite(value) || (positive && value <= 0)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return !(high >= low); }
};

/// A curve as it is drawn: means of groups of points, and the groups' ranges.
struct Curve {
  std::vector<double> x, mean, low, high;
  bool averaged = false;
};

Curve averaged(const Series& series, std::size_t group, bool positive) {
  const std::size_t size = std::min(series.x.size(), series.y.size());
  Curve curve;
  curve.averaged = group > 1;
  for (std::size_t begin = 0; begin < size; begin += group) {
    const std::size_t end = std::min(size, begin + group);
    double x = 0, sum = 0;
    std::size_t counted = 0;
    Range range;
    for (std::size_t i = begin; i < end; ++i) {
      x += series.x[i];
      if (!std::isfinite(series.y[i]) || (positive && series.y[i] <= 0)) continue;
      sum += series.y[i];
      ++counted;
      range.add(series.y[i], positive);
    }
    const double nothing = std::numeric_limits<double>::quiet_NaN();
    curve.x.push_back(x / static_cast<double>(end - begin));
    curve.mean.push_back(counted == 0 ? nothing : sum / static_cast<double>(counted));
    curve.low.push_back(counted == 0 ? nothing : range.low);
    curve.high.push_back(counted == 0 ? nothing : range.high);
  }
  return curve;
}

std::string path_of(std::span<const double> xs, std::span<const double> ys, const Axis& x, const Axis& y) {
  std::string path;
  bool drawing = false;
  for (std::size_t i = 0; i < xs.size(); ++i) {
    const auto px = x.place(xs[i]), py = y.place(ys[i]);
    if (px && py) path += format("%c%.2f %.3f", drawing ? 'L' : 'M', *px, *py);
    drawing = px && py;
  }
  return path;
}

/// The area between two curves, where both are defined.
std::string area_of(const std::vector<double>& xs, const std::vector<double>& low,
                    const std::vector<double>& high, const Axis& x, const Axis& y) {
  std::string path;
  for (std::size_t begin = 0; begin < xs.size(); ++begin) {
    std::size_t end = begin;
    while (end < xs.size() && y.place(low[end]) && y.place(high[end])) ++end;
    if (end - begin > 1) {
      for (std::size_t i = begin; i < end; ++i)
        path += format("%c%.2f %.2f", i == begin ? 'M' : 'L', *x.place(xs[i]), *y.place(high[i]));
      for (std::size_t i = end; i-- > begin;) path += format("L%.2f %.2f", *x.place(xs[i]), *y.place(low[i]));
      path += 'Z';
    }
    begin = end;
  }
  return path;
}

/// What a reader who does not see the chart is told.
std::string describe(const ChartOptions& options, const std::vector<Series>& series) {
  const auto value = [&](double y) { return options.percent ? percent_text(y) : readable(y); };
  std::string text;
  for (const Series& one : series) {
    const std::size_t size = std::min(one.x.size(), one.y.size());
    Range range;
    for (std::size_t i = 0; i < size; ++i) range.add(one.y[i], false);
    if (range.empty()) continue;
    text += (text.empty() ? "" : " ") + (one.name.empty() ? options.title : one.name) + ": " +
            value(one.y.front()) + " at " + options.x_label + " " + readable(one.x.front()) + ", " +
            value(one.y[size - 1]) + " at " + options.x_label + " " + readable(one.x[size - 1]) + "; from " +
            value(range.low) + " to " + value(range.high) + ".";
  }
  return text.empty() ? "No values." : text;
}

/// Title, legend, grid and axes of a chart, and where its values go.
class Frame {
 public:
  Frame(const ChartOptions& options, const std::vector<Series>& series, Range xs, Range ys, bool filled)
      : options_(options), filled_(filled) {
    top_ = options.title.empty() ? kMargin : 34;
    lay_out_legend(series);
    if (!options.y_label.empty()) top_ += 23;
    bottom_ = std::max<double>(options.height, top_ + 80) - below();
    if (legend_.size() > 1) bottom_ += static_cast<double>(legend_.size() - 1) * kLineHeight;
    const double margin = options.logarithmic ? 0 : 0.05 * (ys.high - ys.low);
    const double low = options.low.value_or(ys.low - margin), high = options.high.value_or(ys.high + margin);
    // The labels' width decides where the plot begins.
    const Axis rough(low, high, options.logarithmic, bottom_, top_);
    double widest = 0;
    const std::vector<double> ticks = rough.ticks(rows());
    apart_ = Axis::apart(ticks);
    for (const double tick : ticks) widest = std::max(widest, advance_width(label(tick), kTextSize));
    left_ = kMargin + widest + 4;
    x_.emplace(xs.low, xs.high, options.logarithmic_x, left_, options.width - kMargin - 4);
    y_.emplace(low, high, options.logarithmic, bottom_, top_);
  }

  const Axis& x() const { return *x_; }
  const Axis& y() const { return *y_; }

  std::string open(const std::string& description) const {
    const double right = options_.width - kMargin - 4;
    std::string data = format("data-plot=\"%.2f %.2f %.2f %.2f\" data-x=\"%.9g %.9g\" data-y=\"%.9g %.9g\"",
                              left_, right, bottom_, top_, x_->low(), x_->high(), y_->low(), y_->high());
    if (options_.logarithmic) data += " data-log=\"1\"";
    if (options_.percent) data += " data-percent=\"1\"";
    if (options_.logarithmic_x) data += " data-log-x=\"1\"";
    if (!options_.x_label.empty()) data += " data-at=\"" + escape_markup(options_.x_label) + "\"";
    std::string svg = svg_open("lines", options_.title, description, options_.width,
                               static_cast<int>(std::lround(bottom_ + below())), data);
    svg += heading();
    for (const double tick : y_->ticks(rows())) {
      svg += format("<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", left_, right,
                    *y_->place(tick), *y_->place(tick));
      svg += format("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">", left_ - 6, *y_->place(tick) + 4) +
             label(tick) + "</text>";
    }
    return svg;
  }

  std::string close() const {
    const double right = options_.width - kMargin - 4;
    std::string svg = format("<line class=\"axis\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", left_,
                             right, bottom_, bottom_);
    const int count = static_cast<int>(std::clamp((right - left_) / 62, 3.0, 8.0));
    const std::vector<double> x_ticks = x_->ticks(count);
    // Steps are whole numbers; other quantities may have ticks that differ behind the point.
    const double x_apart = Axis::apart(x_ticks) < 1 ? Axis::apart(x_ticks) : 0;
    for (const double tick : x_ticks) {
      const double at = *x_->place(tick);
      svg += format("<line class=\"axis\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", at, at, bottom_,
                    bottom_ + 4);
      const bool last = at > right - 10;
      svg += format("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", last ? right + 6 : at, bottom_ + 17,
                    last ? "end" : "middle") +
             tick_text(tick, x_apart) + "</text>";
    }
    if (options_.compact) return svg + "</svg>\n";
    svg += format("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">", right, bottom_ + 33) +
           escape_markup(options_.x_label) + "</text>";
    return svg + "</svg>\n";
  }

  static std::string line_class(std::size_t i) {
    return format("line c%zu%s", i % kLines, i / kLines % 2 == 0 ? "" : " dashed");
  }

 private:
  struct Entry {
    double left;
    std::size_t number;
    std::string name;
  };

  double below() const { return options_.compact ? kCompactBottom : kBottom; }
  /// Ticks of the y axis, by its height.
  int rows() const { return static_cast<int>(std::clamp((bottom_ - top_) / 30, 3.0, 6.0)); }

  std::string label(double tick) const {
    return options_.percent ? format("%.6g %%", 100 * tick) : tick_text(tick, apart_);
  }

  void lay_out_legend(const std::vector<Series>& series) {
    if (series.size() < 2 || options_.compact) return;
    double left = kMargin;
    legend_.emplace_back();
    for (std::size_t i = 0; i < series.size(); ++i) {
      const double width = 25 + advance_width(series[i].name, kTextSize) + 14;
      if (left > kMargin && left + width > options_.width) {
        left = kMargin;
        legend_.emplace_back();
      }
      legend_.back().push_back({left, i, series[i].name});
      left += width;
    }
    top_ += kLineHeight * static_cast<double>(legend_.size());
  }

  std::string heading() const {
    double line = kMargin + 10;
    std::string svg;
    if (!options_.title.empty()) {
      svg += format("<text class=\"title\" x=\"%.0f\" y=\"%.0f\">", kMargin, line) +
             escape_markup(options_.title) + "</text>";
      line += kLineHeight + 4;
    }
    for (const std::vector<Entry>& row : legend_) {
      for (const Entry& entry : row) {
        if (filled_) {
          svg += format("<rect class=\"area f%zu\" x=\"%.1f\" y=\"%.1f\" width=\"16\" height=\"10\"/>",
                        entry.number % kLines, entry.left, line - 9);
        } else {
          svg += format("<line class=\"%s\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>",
                        line_class(entry.number).c_str(), entry.left, entry.left + 20, line - 4, line - 4);
        }
        svg += format("<text class=\"name\" x=\"%.1f\" y=\"%.1f\">", entry.left + 25, line) +
               escape_markup(entry.name) + "</text>";
      }
      line += kLineHeight;
    }
    if (!options_.y_label.empty())
      svg +=
          format("<text x=\"%.0f\" y=\"%.0f\">", kMargin, line) + escape_markup(options_.y_label) + "</text>";
    return svg;
  }

  const ChartOptions& options_;
  bool filled_;
  double top_ = 0, bottom_ = 0, left_ = 0, apart_ = 0;
  std::vector<std::vector<Entry>> legend_;
  std::optional<Axis> x_, y_;
};

std::string intervals_of(const Series& series, std::size_t number, const Frame& frame) {
  std::string svg;
  const std::size_t size = std::min({series.x.size(), series.low.size(), series.high.size()});
  for (std::size_t k = 0; k < size; ++k) {
    const auto at = frame.x().place(series.x[k]);
    const auto low = frame.y().place(series.low[k]), high = frame.y().place(series.high[k]);
    if (at && low && high)
      svg += format("<line class=\"c%zu\" x1=\"%.2f\" x2=\"%.2f\" y1=\"%.2f\" y2=\"%.2f\"/>", number % kLines,
                    *at, *at, *low, *high);
  }
  return svg;
}

std::string without_values(const ChartOptions& options) {
  return svg_open("lines", options.title, "No values.", options.width, options.height) +
         format("<text class=\"title\" x=\"%.0f\" y=\"20\">", kMargin) + escape_markup(options.title) +
         format("</text><text x=\"%.0f\" y=\"60\">no values</text></svg>\n", kMargin);
}

}  // namespace

std::size_t points_averaged(const ChartOptions& options, const Series& series) {
  const std::size_t size = std::min(series.x.size(), series.y.size());
  const auto wanted = static_cast<std::size_t>(std::max(2, options.points));
  return options.unjoined || size <= wanted ? 1 : (size + wanted - 1) / wanted;
}

std::string line_chart(const ChartOptions& options, const std::vector<Series>& series) {
  Range xs, ys;
  std::vector<Curve> curves;
  for (const Series& one : series) {
    curves.push_back(averaged(one, points_averaged(options, one), options.logarithmic));
    for (const double value : one.x) xs.add(value, false);
    for (const double value : curves.back().low) ys.add(value, options.logarithmic);
    for (const double value : curves.back().high) ys.add(value, options.logarithmic);
    for (const double value : one.low) ys.add(value, options.logarithmic);
    for (const double value : one.high) ys.add(value, options.logarithmic);
  }
  if (xs.empty() || ys.empty()) return without_values(options);
  const Frame frame(options, series, xs, ys, false);
  std::string svg = frame.open(describe(options, series));
  for (std::size_t i = 0; i < series.size(); ++i) {
    const Curve& curve = curves[i];
    if (curve.averaged) {
      svg += format("<path class=\"band f%zu\" d=\"", i % kLines) +
             area_of(curve.x, curve.low, curve.high, frame.x(), frame.y()) + "\"/>";
    }
    svg += intervals_of(series[i], i, frame);
    svg += "<path class=\"" + Frame::line_class(i) + (options.unjoined ? " unjoined" : "") +
           "\" data-name=\"" + escape_markup(series[i].name) + "\" d=\"" +
           path_of(curve.x, curve.mean, frame.x(), frame.y()) + "\"/>";
    // A curve of few points is seen by its points.
    if (!options.unjoined && curve.x.size() > 40) continue;
    for (std::size_t k = 0; k < curve.x.size(); ++k) {
      const auto px = frame.x().place(curve.x[k]), py = frame.y().place(curve.mean[k]);
      if (px && py)
        svg += format("<circle class=\"f%zu\" cx=\"%.2f\" cy=\"%.2f\" r=\"3\"/>", i % kLines, *px, *py);
    }
  }
  return svg + frame.close();
}

std::string stacked_chart(const ChartOptions& options, const std::vector<Series>& series) {
  Range xs;
  std::vector<Curve> curves;
  for (const Series& one : series) {
    curves.push_back(averaged(one, points_averaged(options, one), false));
    for (const double value : one.x) xs.add(value, false);
  }
  if (xs.empty()) return without_values(options);
  const Frame frame(options, series, xs, {0, 1}, true);
  std::string svg = frame.open(describe(options, series));
  std::vector<double> below(curves.front().x.size(), 0.0);
  for (std::size_t i = 0; i < curves.size(); ++i) {
    std::vector<double> above = below;
    for (std::size_t k = 0; k < above.size() && k < curves[i].mean.size(); ++k) {
      if (std::isfinite(curves[i].mean[k])) above[k] += std::max(0.0, curves[i].mean[k]);
    }
    svg += format("<path class=\"area f%zu\" data-name=\"", i % kLines) + escape_markup(series[i].name) +
           "\" d=\"" + area_of(curves[i].x, below, above, frame.x(), frame.y()) + "\"/>";
    below = std::move(above);
  }
  return svg + frame.close();
}

}  // namespace terramill::report
