#pragma once

#include <array>
#include <string>

namespace terramill::geo {

/// Longitude and latitude in degrees, WGS 84; NaN when unknown.
struct LonLat {
  double lon = 0, lat = 0;
};

/// Where the pixels of a raster lie: its size, GDAL geotransform and CRS.
struct Grid {
  int width = 0, height = 0;
  /// x = t[0] + col t[1] + row t[2], y = t[3] + col t[4] + row t[5], of a pixel's upper left corner; all 0
  /// when unknown.
  std::array<double, 6> transform{};
  /// "EPSG:32633"; the WKT text when it has no EPSG code; empty when unknown.
  std::string crs;

  bool georeferenced() const noexcept;
  /// The part that begins at pixel (column, row).
  Grid window(int column, int row, int window_width, int window_height) const;
  bool operator==(const Grid&) const = default;
};

/// True when both have the same size and CRS and no corner differs by more than `tolerance` pixels, so that
/// origins which differ by rounding agree. An unknown CRS or transform agrees with anything.
bool same_grid(const Grid& a, const Grid& b, double tolerance = 0.05);

/// True when the bounding box of `a`, in the pixels of `b`, shares area with `b`. False when either has no
/// known position.
bool overlaps(const Grid& a, const Grid& b);

/// Degrees of longitude and latitude, WGS 84.
struct Box {
  double west = -360, east = 360, south = -90, north = 90;

  bool touches(const Box& other) const noexcept;
};
/// A box around a grid, a quarter wider on each side for edges that bend; everything where the grid has no
/// known position, or lies across a pole or the antimeridian. Grids whose boxes do not touch do not overlap.
Box surroundings(const Grid& grid);

/// The centre of a grid; NaN for an unknown CRS or one that cannot be transformed there.
LonLat center_of(const Grid& grid);
/// A point given in `crs`; NaN when it cannot be transformed.
LonLat to_lon_lat(const std::string& crs, double x, double y);
/// A point in `crs` coordinates, as {x, y}; NaN when it cannot be transformed.
std::array<double, 2> from_lon_lat(const std::string& crs, LonLat point);

}  // namespace terramill::geo
