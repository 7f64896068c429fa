#include "gdal.hpp"

#include <terramill/geo/grid.hpp>
#include <terramill/geo/raster.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace terramill::geo {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr const char* kWgs84 = "EPSG:4326";
constexpr int kSteps = 4;  // points along each side of a grid: edges bend when they are reprojected

struct TransformationCloser {
  void operator()(void* transformation) const noexcept { OCTDestroyCoordinateTransformation(transformation); }
};
using Transformation = std::unique_ptr<void, TransformationCloser>;

std::array<double, 2> transform_point(const std::string& from, const std::string& to, double x, double y) {
  init_gdal();
  if (from.empty() || to.empty() || !std::isfinite(x) || !std::isfinite(y)) return {kNaN, kNaN};
  // Making a transformation takes milliseconds, using it microseconds: one cache for all threads. It outlives
  // them and GDAL's own thread-local state, so it is never destroyed.
  static std::mutex mutex;
  static auto& cache = *new std::map<std::pair<std::string, std::string>, Transformation>;
  constexpr std::size_t kCached = 256;
  const std::lock_guard lock(mutex);
  auto found = cache.find({from, to});
  if (found == cache.end()) {
    if (cache.size() >= kCached) cache.clear();
    const SpatialReference source = spatial_reference(from), target = spatial_reference(to);
    const ErrorCapture errors;
    Transformation made(source && target ? OCTNewCoordinateTransformation(source.get(), target.get())
                                         : nullptr);
    found = cache.emplace(std::pair(from, to), std::move(made)).first;
  }
  if (!found->second) return {kNaN, kNaN};
  const ErrorCapture errors;
  if (OCTTransform(found->second.get(), 1, &x, &y, nullptr) == 0 || !std::isfinite(x) || !std::isfinite(y)) {
    return {kNaN, kNaN};
  }
  return {x, y};
}

}  // namespace

bool Grid::georeferenced() const noexcept { return !crs.empty() && (transform[1] != 0 || transform[2] != 0); }

Grid Grid::window(int column, int row, int window_width, int window_height) const {
  Grid part = *this;
  part.width = window_width;
  part.height = window_height;
  part.transform[0] += column * transform[1] + row * transform[2];
  part.transform[3] += column * transform[4] + row * transform[5];
  return part;
}

bool same_grid(const Grid& a, const Grid& b, double tolerance) {
  if (a.width != b.width || a.height != b.height) return false;
  if (!a.crs.empty() && !b.crs.empty() && a.crs != b.crs) return false;
  const std::array<double, 6> none{};
  if (a.transform == none || b.transform == none) return true;
  const double pixel_x = std::hypot(a.transform[1], a.transform[4]);
  const double pixel_y = std::hypot(a.transform[2], a.transform[5]);
  for (const int column : {0, a.width}) {
    for (const int row : {0, a.height}) {
      const auto here = a.window(column, row, 0, 0).transform, there = b.window(column, row, 0, 0).transform;
      if (!(std::abs(here[0] - there[0]) <= tolerance * pixel_x)) return false;
      if (!(std::abs(here[3] - there[3]) <= tolerance * pixel_y)) return false;
    }
  }
  return true;
}

bool overlaps(const Grid& a, const Grid& b) {
  if (!a.georeferenced() || !b.georeferenced()) return false;
  const auto& t = b.transform;
  const double determinant = t[1] * t[5] - t[2] * t[4];
  if (determinant == 0) return false;
  double left = std::numeric_limits<double>::infinity(), right = -left, top = left, bottom = -left;
  for (int i = 0; i <= kSteps; ++i) {
    for (int j = 0; j <= kSteps; ++j) {
      const double column = a.width * static_cast<double>(i) / kSteps,
                   row = a.height * static_cast<double>(j) / kSteps;
      std::array<double, 2> point{a.transform[0] + column * a.transform[1] + row * a.transform[2],
                                  a.transform[3] + column * a.transform[4] + row * a.transform[5]};
      if (a.crs != b.crs) point = transform_point(a.crs, b.crs, point[0], point[1]);
      const double x = point[0] - t[0], y = point[1] - t[3];
      const double there_column = (x * t[5] - y * t[2]) / determinant;
      const double there_row = (y * t[1] - x * t[4]) / determinant;
      if (!std::isfinite(there_column) || !std::isfinite(there_row)) continue;
      left = std::min(left, there_column);
      right = std::max(right, there_column);
      top = std::min(top, there_row);
      bottom = std::max(bottom, there_row);
    }
  }
  return left < b.width && right > 0 && top < b.height && bottom > 0;
}

bool Box::touches(const Box& other) const noexcept {
  return west <= other.east && other.west <= east && south <= other.north && other.south <= north;
}

Box surroundings(const Grid& grid) {
  if (!grid.georeferenced()) return {};
  const auto& t = grid.transform;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Box box{kInfinity, -kInfinity, kInfinity, -kInfinity};
  for (int i = 0; i <= kSteps; ++i) {
    for (int j = 0; j <= kSteps; ++j) {
      const double column = grid.width * static_cast<double>(i) / kSteps,
                   row = grid.height * static_cast<double>(j) / kSteps;
      const LonLat point =
          to_lon_lat(grid.crs, t[0] + column * t[1] + row * t[2], t[3] + column * t[4] + row * t[5]);
      if (!std::isfinite(point.lon) || !std::isfinite(point.lat)) return {};
      box = {std::min(box.west, point.lon), std::max(box.east, point.lon), std::min(box.south, point.lat),
             std::max(box.north, point.lat)};
    }
  }
  constexpr double kHalfTurn = 180, kNearPole = 85, kLeast = 0.01;
  if (box.east - box.west > kHalfTurn || box.south < -kNearPole || box.north > kNearPole) return {};
  const double wide = kLeast + (box.east - box.west) / 4, high = kLeast + (box.north - box.south) / 4;
  return {box.west - wide, box.east + wide, box.south - high, box.north + high};
}

LonLat center_of(const Grid& grid) {
  if (!grid.georeferenced()) return {kNaN, kNaN};
  const auto& t = grid.transform;
  const double column = grid.width / 2.0, row = grid.height / 2.0;
  return to_lon_lat(grid.crs, t[0] + column * t[1] + row * t[2], t[3] + column * t[4] + row * t[5]);
}

LonLat to_lon_lat(const std::string& crs, double x, double y) {
  const auto point = transform_point(crs, kWgs84, x, y);
  return {point[0], point[1]};
}

std::array<double, 2> from_lon_lat(const std::string& crs, LonLat point) {
  return transform_point(kWgs84, crs, point.lon, point.lat);
}

}  // namespace terramill::geo
