#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace terramill::sampling {

/// A part of the Earth, in degrees of WGS 84: a box, or the polygons of a GeoJSON text (RFC 7946).
class Region {
 public:
  /// "W,S,E,N"; W > E crosses the date line. Nothing where the text is not four numbers; UsageError where
  /// they bound no box.
  static std::optional<Region> from_box(const std::string& text);
  /// Polygon, MultiPolygon, GeometryCollection, Feature or FeatureCollection, with holes. UsageError naming
  /// `path` for text that is none of them, or whose coordinates are no degrees.
  static Region from_geojson(std::string_view text, const std::string& path);

  /// Whether the place is inside: in a box with its edges, or in one of the polygons by the even-odd rule, on
  /// the plane of longitude and latitude. Longitudes that differ by 360 are the same. No place that is not
  /// finite is inside.
  bool contains(double lon, double lat) const noexcept;

 private:
  friend class GeojsonReader;
  struct Point {
    double x, y;
  };
  struct Polygon {
    double west, south, east, north;
    std::vector<std::vector<Point>> rings;  // none: the whole box
    bool contains(Point point) const noexcept;
  };
  std::vector<Polygon> polygons_;
};

}  // namespace terramill::sampling
