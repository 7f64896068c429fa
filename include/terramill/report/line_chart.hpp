#pragma once

#include <string>
#include <vector>

namespace terramill::report {

/// One curve. Points whose y is not finite (or not positive on a logarithmic axis) break the line.
struct Series {
  std::string name;
  std::vector<double> x, y;
};

struct ChartOptions {
  std::string title, x_label, y_label;
  bool logarithmic = false;       ///< the y axis
  int width = 720, height = 360;  ///< of the SVG's view box; it scales to its container
};

/// A line chart as a self-contained SVG element, with axes, ticks at round numbers, a grid and a legend.
std::string line_chart(const ChartOptions& options, const std::vector<Series>& series);

/// Text with &, <, > and quotes escaped for XML and HTML.
std::string escape_markup(const std::string& text);

}  // namespace terramill::report
