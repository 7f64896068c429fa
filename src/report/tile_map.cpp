#include "coastline.hpp"
#include "svg.hpp"

#include <terramill/report/markup.hpp>
#include <terramill/report/tile_map.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <utility>
#include <vector>

namespace terramill::report {

namespace {

constexpr double kRadians = std::numbers::pi / 180, kEarthRadius = 6371.0072;  // km, of equal area
constexpr int kWidth = 720, kClasses = 6;
constexpr double kLeft = 66, kTop = 30, kRight = kWidth - 10, kLabels = 34, kLegend = 62;

struct Point {
  double x = 0, y = 0;
};

struct Window {
  double west = -180, east = 180, south = -90, north = 90;
};

/// An equal-area projection of the unit sphere: Equal Earth (Savric et al. 2019, equations 9 to 11), or
/// Lambert's cylindrical one with a standard parallel.
class Projection {
 public:
  static Projection equal_earth() { return Projection(0); }
  static Projection cylindrical(double parallel) { return Projection(std::cos(parallel * kRadians)); }

  Point operator()(double longitude, double latitude) const {
    const double lambda = longitude * kRadians, sine = std::sin(latitude * kRadians);
    if (stretch_ > 0) return {lambda * stretch_, sine / stretch_};
    constexpr double a1 = 1.340264, a2 = -0.081106, a3 = 0.000893, a4 = 0.003796;
    const double root = std::sqrt(3.0), t = std::asin(root / 2 * sine), t2 = t * t, t6 = t2 * t2 * t2;
    const double slope = 9 * a4 * t6 * t2 + 7 * a3 * t6 + 3 * a2 * t2 + a1;
    return {2 * root * lambda * std::cos(t) / (3 * slope), t * (a4 * t6 * t2 + a3 * t6 + a2 * t2 + a1)};
  }

 private:
  explicit Projection(double stretch) : stretch_(stretch) {}
  double stretch_;  ///< cosine of the standard parallel; 0: Equal Earth
};

/// The degrees that a map of these positions shows.
Window window_of(std::span<const Position> positions) {
  Window window{180, -180, 90, -90};
  for (const Position& p : positions) {
    window.west = std::min(window.west, p.longitude);
    window.east = std::max(window.east, p.longitude);
    window.south = std::min(window.south, p.latitude);
    window.north = std::max(window.north, p.latitude);
  }
  if (window.east - window.west > 100 || window.north - window.south > 50) return {};
  // Some room around, and about 2 by 1 on the ground; at least half a degree of latitude.
  const double middle = (window.south + window.north) / 2,
               cosine = std::max(0.1, std::cos(middle * kRadians));
  double tall = std::max(0.5, 1.2 * (window.north - window.south));
  double wide = std::max(2 * tall, 1.2 * (window.east - window.west) * cosine);
  tall = std::max(tall, wide / 2);
  const double centre = (window.west + window.east) / 2;
  wide = std::min(wide / cosine, 360.0);
  return {std::max(-180.0, centre - wide / 2), std::min(180.0, centre + wide / 2),
          std::max(-89.0, middle - tall / 2), std::min(89.0, middle + tall / 2)};
}

std::string degrees(double value, char positive, char negative) {
  return format("%.6g°", std::abs(value)) + (value > 0   ? std::string(1, positive)
                                             : value < 0 ? std::string(1, negative)
                                                         : "");
}

class Map {
 public:
  Map(const Window& window, bool world)
      : window_(window),
        world_(world),
        project_(world ? Projection::equal_earth()
                       : Projection::cylindrical((window.south + window.north) / 2)) {
    const Point low =
        world ? Point{project_(-180, 0).x, project_(0, -90).y} : project_(window.west, window.south);
    const Point high =
        world ? Point{project_(180, 0).x, project_(0, 90).y} : project_(window.east, window.north);
    scale_ = (kRight - kLeft) / (high.x - low.x);
    origin_ = {low.x, high.y};
    bottom_ = kTop + (high.y - low.y) * scale_;
  }

  double bottom() const { return bottom_; }
  double km_per_pixel() const { return kEarthRadius / scale_; }
  Point place(double longitude, double latitude) const {
    const Point p = project_(longitude, latitude);
    return {kLeft + (p.x - origin_.x) * scale_, kTop + (origin_.y - p.y) * scale_};
  }

  std::string background() const {
    std::string outline;
    const int parts = world_ ? 36 : 1;
    for (int i = 0; i <= parts; ++i)
      outline +=
          vertex(outline.empty(), window_.west, window_.south + (window_.north - window_.south) * i / parts);
    for (int i = parts; i >= 0; --i)
      outline += vertex(false, window_.east, window_.south + (window_.north - window_.south) * i / parts);
    return "<path class=\"ocean\" d=\"" + outline + "Z\"/>";
  }

  std::string land() const {
    std::string path;
    bool first = true;
    const auto points = coastline();
    for (std::size_t i = 0; i < points.size();) {
      if (points[i] == kRingEnd) {
        path += 'Z';
        first = true;
        ++i;
        continue;
      }
      path += vertex(first, points[i] / 10.0, points[i + 1] / 10.0);
      first = false;
      i += 2;
    }
    return "<path class=\"land\" d=\"" + path + "\"/>";
  }

  std::string graticule() const {
    std::string lines, labels;
    for (const double longitude : meridians()) {
      const int parts = world_ ? 36 : 1;
      for (int i = 0; i <= parts; ++i)
        lines += vertex(i == 0, longitude, window_.south + (window_.north - window_.south) * i / parts);
      const Point end = place(longitude, window_.south);
      if (!world_ || std::fmod(std::abs(longitude), 60) == 0) {
        labels += format("<text%s x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">",
                         world_ && std::abs(longitude) == 60 ? " class=\"minor\"" : "", end.x, bottom_ + 26) +
                  degrees(longitude, 'E', 'W') + "</text>";
      }
    }
    for (const double latitude : parallels()) {
      lines += vertex(true, window_.west, latitude) + vertex(false, window_.east, latitude);
      const Point end = place(window_.west, latitude);
      labels += format("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">", end.x - 6, end.y + 5) +
                degrees(latitude, 'N', 'S') + "</text>";
    }
    return "<path class=\"grid\" d=\"" + lines + "\"/>" + labels;
  }

 private:
  std::string vertex(bool first, double longitude, double latitude) const {
    const Point p = place(longitude, latitude);
    return format("%c%.1f %.1f", first ? 'M' : 'L', p.x, p.y);
  }
  std::vector<double> meridians() const {
    if (!world_) return Axis(window_.west, window_.east, false, 0, 1).ticks(4);
    std::vector<double> all;
    for (int i = -150; i <= 150; i += 30) all.push_back(i);
    return all;
  }
  std::vector<double> parallels() const {
    if (!world_) return Axis(window_.south, window_.north, false, 0, 1).ticks(4);
    return {-60, -30, 0, 30, 60};
  }

  Window window_;
  bool world_;
  Projection project_;
  double scale_ = 1, bottom_ = 0;
  Point origin_;
};

/// The least base of 2, 4, 10, 32 whose sixth power exceeds `most`: counts of class i are base^i … base^(i+1)
/// - 1.
std::uint64_t base_of(std::uint64_t most) {
  for (const std::uint64_t base : {2, 4, 10}) {
    if (std::pow(static_cast<double>(base), kClasses) > static_cast<double>(most)) return base;
  }
  return 32;
}

std::string legend(std::uint64_t base, std::uint64_t most, double top) {
  std::string svg;
  std::uint64_t from = 1;
  for (int i = 0; i < kClasses && from <= most; ++i, from *= base) {
    const double left = kLeft + (kRight - kLeft) * i / kClasses;
    const std::uint64_t to = i + 1 == kClasses ? most : std::min(most, from * base - 1);
    svg += format("<rect class=\"m%d\" x=\"%.1f\" y=\"%.1f\" width=\"16\" height=\"16\"/>", i, left, top);
    svg += format("<text class=\"name\" x=\"%.1f\" y=\"%.1f\">", left + 22, top + 14) +
           tick_text(static_cast<double>(from)) +
           (to > from ? "–" + tick_text(static_cast<double>(to)) : std::string()) + "</text>";
  }
  return svg;
}

}  // namespace

TileMap tile_map(const std::string& title, std::span<const Position> positions) {
  std::vector<Position> valid;
  for (const Position& p : positions) {
    if (std::abs(p.longitude) <= 180 && std::abs(p.latitude) <= 90) valid.push_back(p);
  }
  TileMap result;
  result.used = valid.size();
  if (valid.empty()) return result;
  const Window window = window_of(valid);
  result.world = window.east - window.west >= 360 && window.north - window.south >= 180;
  result.land = result.world || window.north - window.south > 15;
  const Map map(window, result.world);

  // Squares of a round side, some five pixels wide.
  const double wanted = 5 * map.km_per_pixel(), power = std::pow(10.0, std::floor(std::log10(wanted)));
  result.cell_km = power * (wanted / power > 7     ? 10
                            : wanted / power > 3.5 ? 5
                            : wanted / power > 2.2 ? 2.5
                            : wanted / power > 1.4 ? 2
                                                   : 1);
  const double side = result.cell_km / map.km_per_pixel();
  std::map<std::pair<int, int>, std::uint64_t> counts;
  std::uint64_t most = 0;
  for (const Position& p : valid) {
    const Point at = map.place(p.longitude, p.latitude);
    const std::pair cell(static_cast<int>(std::floor((at.x - kLeft) / side)),
                         static_cast<int>(std::floor((at.y - kTop) / side)));
    most = std::max(most, ++counts[cell]);
  }
  const std::uint64_t base = base_of(most);
  std::array<std::string, kClasses> cells;
  for (const auto& [cell, count] : counts) {
    int rank = 0;
    for (std::uint64_t limit = base; rank + 1 < kClasses && count >= limit; limit *= base) ++rank;
    cells[static_cast<std::size_t>(rank)] += format("M%.1f %.1fh%.1fv%.1fh-%.1fz", kLeft + cell.first * side,
                                                    kTop + cell.second * side, side, side, side);
  }

  const int height = static_cast<int>(std::ceil(map.bottom() + kLabels + kLegend));
  const std::string description =
      format("%zu positions in %zu squares of %.6g km side, at most %llu in one.", valid.size(),
             counts.size(), result.cell_km, static_cast<unsigned long long>(most));
  result.svg = svg_open("map", title, description, kWidth, height);
  result.svg +=
      "<text class=\"title\" x=\"10\" y=\"20\">" + escape_markup(title) + "</text>" + map.background();
  result.svg += format(
      "<clipPath id=\"map-clip\"><rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/></clipPath>",
      kLeft, kTop, kRight - kLeft, map.bottom() - kTop);
  if (result.land) result.svg += "<g clip-path=\"url(#map-clip)\">" + map.land() + "</g>";
  result.svg += map.graticule();
  for (int i = 0; i < kClasses; ++i) {
    const std::string& path = cells[static_cast<std::size_t>(i)];
    if (!path.empty()) result.svg += format("<path class=\"m%d\" d=\"", i) + path + "\"/>";
  }
  result.svg += format("<text class=\"name\" x=\"%.1f\" y=\"%.1f\">", kLeft, map.bottom() + kLabels + 24) +
                format("tiles in a square of %.6g km", result.cell_km) + "</text>";
  result.svg += legend(base, most, map.bottom() + kLabels + 36) + "</svg>\n";
  return result;
}

}  // namespace terramill::report
