#pragma once

#include <terramill/report/markup.hpp>

#include <optional>
#include <string>
#include <vector>

namespace terramill::report {

/// One curve. Points whose y is not finite (or not positive on a logarithmic axis) break the line.
struct Series {
  std::string name;
  std::vector<double> x, y;
  /// Ends of an interval about each y, drawn as upright lines; empty: none. Not for long curves.
  std::vector<double> low = {}, high = {};
};

struct ChartOptions {
  std::string title, x_label, y_label;
  bool logarithmic = false;       ///< the y axis
  int width = 400, height = 250;  ///< of the SVG's view box; it scales to its container, and grows in height
                                  ///< where the legend needs several lines
  bool percent = false;           ///< y is a share, labelled in per cent
  std::optional<double> low = {}, high = {};  ///< ends of the y axis; by default the values' range
  int points = 300;                           ///< of a curve at most; longer ones are averaged
  bool logarithmic_x = false;
  bool unjoined = false;  ///< points without lines between them
  bool compact = false;   ///< without legend and x label: one of many that say them once
};

/// A line chart as an inline SVG element, with title, description, axes, ticks at round numbers, a grid and,
/// for several curves, a legend. Its colours come from chart_rules(). A curve of more than options.points
/// points is drawn as the means of equally many neighbours, with a band from their least to their greatest.
std::string line_chart(const ChartOptions& options, const std::vector<Series>& series);

/// Shares of a whole, stacked from 0 upwards in order: the series have the same x, y in [0, 1]. Long ones are
/// averaged as by line_chart.
std::string stacked_chart(const ChartOptions& options, const std::vector<Series>& series);

/// How many neighbouring points line_chart averages for one of `series`; 1 when it draws each.
std::size_t points_averaged(const ChartOptions& options, const Series& series);

}  // namespace terramill::report
