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

}  // namespace terramill::report
