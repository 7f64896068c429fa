#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace terramill::report {

/// A class and its share of the whole in two situations.
struct PairedBar {
  std::string name;
  std::array<std::uint8_t, 3> color{};  ///< RGB
  double before = 0, after = 0;         ///< in [0, 1]
};

/// Pairs of horizontal bars on a common scale from 0, the first outlined and the second filled, with both
/// values in per cent: an inline SVG element styled by chart_rules().
std::string paired_bars(const std::string& title, const std::string& description,
                        const std::vector<PairedBar>& bars);

/// A bar of several parts, with a remark at the end of its name's line.
struct StackedBar {
  std::string name, note;
  std::vector<double> parts;  ///< shares of the whole
};

/// Horizontal bars one below the other, each of `parts` from 0 to the right on a scale that ends at 1, with a
/// legend: an inline SVG element styled by chart_rules().
std::string stacked_bars(const std::string& title, const std::string& description,
                         const std::vector<std::string>& parts, const std::vector<StackedBar>& bars);

}  // namespace terramill::report
