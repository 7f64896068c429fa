#pragma once

#include <array>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

namespace terramill::report {

/// printf into a string; results longer than 511 bytes are cut.
template <typename... Args>
std::string format(const char* pattern, Args... args) {
  std::array<char, 512> text;
  std::snprintf(text.data(), text.size(), pattern, args...);
  return text.data();
}

/// A number for a reader: four significant digits, "−" for minus, groups of three digits apart.
std::string readable(double value);
/// A tick's label, told apart from its neighbours at distance `apart`; thousands as "20k", millions as
/// "1.5M". Where `apart` is 0, as `readable`.
std::string tick_text(double value, double apart = 0);
/// 0.1234 as "12.3 %".
std::string percent_text(double share);

/// Width in pixels of text of that size in a usual sans-serif face, roughly and rather too wide.
double advance_width(const std::string& text, double size);

/// Opens an SVG element that is one image to a screen reader. Ids come from kind, title and
/// width, which are unique in a page. `data` is put among the attributes as it is.
std::string svg_open(const std::string& kind, const std::string& title, const std::string& description,
                     int width, int height, const std::string& data = "");

/// A position on an axis in pixels, for values from `low` to `high`.
class Axis {
 public:
  Axis(double low, double high, bool logarithmic, double from, double to);

  /// Nothing for values that are not finite, or not positive on a logarithmic axis.
  std::optional<double> place(double value) const;
  /// Round values: 1, 2 or 5 times a power of ten apart, about `count` of them; on a logarithmic axis over
  /// more than a decade, powers of ten.
  std::vector<double> ticks(int count) const;
  /// The distance of such ticks; 0 for powers of ten.
  static double apart(const std::vector<double>& ticks);
  double low() const;
  double high() const;

 private:
  bool logarithmic_;
  double from_, to_, low_, high_;
};

}  // namespace terramill::report
