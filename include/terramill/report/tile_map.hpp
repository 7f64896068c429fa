#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace terramill::report {

/// Degrees east and north.
struct Position {
  double longitude = 0, latitude = 0;
};

/// A density map of positions and what a caption must tell about it.
struct TileMap {
  std::string svg;       ///< inline SVG element styled by chart_rules(); empty when no position is valid
  bool world = false;    ///< Equal Earth; otherwise the positions' region, cylindrical equal-area
  bool land = false;     ///< coastlines are drawn: not where the region is so small that they would mislead
  double cell_km = 0;    ///< side of the squares in which positions are counted
  std::size_t used = 0;  ///< positions on the Earth; others are left out
};

/// Counts positions in squares of equal area and draws them over graticule and land. The whole Earth (Equal
/// Earth projection: Savric, Patterson, Jenny, "The Equal Earth map projection", IJGIS 33, 2019) where they
/// span more than 100 degrees of longitude or 50 of latitude, else their surroundings.
TileMap tile_map(const std::string& title, std::span<const Position> positions);

}  // namespace terramill::report
