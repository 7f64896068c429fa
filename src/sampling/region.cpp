#include "region.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/json.hpp>
#include <terramill/core/options.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace terramill::sampling {
namespace {

constexpr const char* kAdvice =
    "give W,S,E,N in degrees, as in -10,35,30,60, or a GeoJSON file of polygons in longitude and latitude";

[[noreturn]] void refuse(const std::string& message) {
  throw UsageError(message, {"read the sampling options", "region", kAdvice});
}

}  // namespace

std::optional<Region> Region::from_box(const std::string& text) {
  const std::vector<std::string> words = split_list(text);
  if (words.size() != 4) return std::nullopt;
  std::array<double, 4> bounds{};
  for (std::size_t i = 0; i < 4; ++i) {
    const char* end = words[i].data() + words[i].size();
    const auto result = std::from_chars(words[i].data(), end, bounds[i]);
    if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
  }
  const auto [west, south, east, north] = bounds;
  const auto longitude = [](double x) { return x >= -180 && x <= 180; };
  if (!longitude(west) || !longitude(east) || west == east ||
      !(south >= -90 && south < north && north <= 90)) {
    refuse("the region " + text +
           " is no box: W and E must be from -180 to 180 and differ, S below N, both from -90 to 90");
  }
  Region region;
  region.polygons_.push_back({west, south, east < west ? east + 360 : east, north, {}});
  return region;
}

/// Takes the polygons out of GeoJSON.
class GeojsonReader {
 public:
  explicit GeojsonReader(std::string path) : path_(std::move(path)) {}

  void read(const Json& object) {
    const auto type = json_get<std::string>(object, "type", path_);
    if (type == "FeatureCollection") {
      for (const Json& feature : list(object, "features")) read(feature);
    } else if (type == "GeometryCollection") {
      for (const Json& geometry : list(object, "geometries")) read(geometry);
    } else if (type == "Feature") {
      if (const Json geometry = json_get<Json>(object, "geometry", path_); !geometry.is_null())
        read(geometry);
    } else if (type == "Polygon") {
      add_polygon(list(object, "coordinates"));
    } else if (type == "MultiPolygon") {
      for (const Json& polygon : list(object, "coordinates")) add_polygon(polygon);
    } else {
      refuse("the region " + path_ + " holds a " + type + ", which bounds no area");
    }
  }

  Region take() {
    if (region_.polygons_.empty()) refuse("the region " + path_ + " holds no polygon");
    return std::move(region_);
  }

 private:
  Json list(const Json& object, const char* key) const {
    Json value = json_get<Json>(object, key, path_);
    if (!value.is_array()) refuse("the " + std::string(key) + " of the region " + path_ + " are no list");
    return value;
  }

  void add_polygon(const Json& rings) {
    constexpr double kFar = std::numeric_limits<double>::infinity();
    Region::Polygon polygon{kFar, kFar, -kFar, -kFar, {}};
    for (const Json& ring : rings) {
      auto& points = polygon.rings.emplace_back();
      for (const Json& position : ring) points.push_back(point(position));
      if (points.size() < 4) refuse("a ring of the region " + path_ + " has fewer than four positions");
      check_edges(points);
      for (const auto& [x, y] : points) {
        polygon.west = std::min(polygon.west, x);
        polygon.east = std::max(polygon.east, x);
        polygon.south = std::min(polygon.south, y);
        polygon.north = std::max(polygon.north, y);
      }
    }
    if (polygon.rings.empty()) refuse("a polygon of the region " + path_ + " has no ring");
    region_.polygons_.push_back(std::move(polygon));
  }

  Region::Point point(const Json& position) const {
    if (!position.is_array() || position.size() < 2 || !position[0].is_number() || !position[1].is_number()) {
      refuse("a position of the region " + path_ + " is no pair of numbers: " + position.dump());
    }
    const Region::Point found{position[0], position[1]};
    if (std::abs(found.x) <= 360 && std::abs(found.y) <= 90) return found;
    refuse("a position of the region " + path_ + " is not in degrees: " + position.dump());
  }

  /// An edge that spans most of the Earth was meant to cross the date line; one around all of it was not.
  void check_edges(const std::vector<Region::Point>& ring) const {
    for (std::size_t i = 1; i < ring.size(); ++i) {
      const double span = std::abs(ring[i].x - ring[i - 1].x);
      if (span <= 180 || span == 360) continue;
      refuse("an edge of the region " + path_ + " spans " + shortest_text(span) +
             " degrees: cut the polygon at the date line, or let longitudes go on beyond 180");
    }
  }

  std::string path_;
  Region region_;
};

Region Region::from_geojson(std::string_view text, const std::string& path) {
  GeojsonReader reader(path);
  try {
    reader.read(parse_json(text, path));
  } catch (const FormatError& error) {
    refuse("the region " + path + " is no GeoJSON: " + error.message());
  }
  return reader.take();
}

bool Region::Polygon::contains(Point point) const noexcept {
  if (point.x < west || point.x > east || point.y < south || point.y > north) return false;
  bool inside = rings.empty();
  for (const auto& ring : rings) {
    Point before = ring.back();
    for (const Point& here : ring) {
      if ((here.y > point.y) != (before.y > point.y) &&
          point.x < (before.x - here.x) * (point.y - here.y) / (before.y - here.y) + here.x) {
        inside = !inside;
      }
      before = here;
    }
  }
  return inside;
}

bool Region::contains(double lon, double lat) const noexcept {
  if (!std::isfinite(lon) || !std::isfinite(lat)) return false;
  return std::any_of(polygons_.begin(), polygons_.end(), [&](const Polygon& polygon) {
    return polygon.contains({lon, lat}) || polygon.contains({lon + 360, lat}) ||
           polygon.contains({lon - 360, lat});
  });
}

}  // namespace terramill::sampling
