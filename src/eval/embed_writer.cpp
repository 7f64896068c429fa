#include "embed_writer.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <system_error>

namespace terramill::eval {
namespace {

static_assert(std::endian::native == std::endian::little, "WKB is written as numbers lie in memory");

template <typename T>
void put(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

constexpr std::uint8_t kLittleEndian = 1;
constexpr std::uint32_t kPoint = 1, kPolygon = 3;

std::string point_wkb(geo::LonLat point) {
  std::string bytes;
  put(bytes, kLittleEndian);
  put(bytes, kPoint);
  put(bytes, point.lon);
  put(bytes, point.lat);
  return bytes;
}

std::string polygon_wkb(const std::vector<geo::LonLat>& ring) {
  std::string bytes;
  put(bytes, kLittleEndian);
  put(bytes, kPolygon);
  put(bytes, std::uint32_t{1});
  put(bytes, static_cast<std::uint32_t>(ring.size() + 1));
  for (std::size_t i = 0; i <= ring.size(); ++i) {
    put(bytes, ring[i % ring.size()].lon);
    put(bytes, ring[i % ring.size()].lat);
  }
  return bytes;
}

/// Upper left, lower left, lower right, upper right; empty where one is unknown.
std::vector<geo::LonLat> corners_of(const geo::Grid& grid) {
  std::vector<geo::LonLat> corners;
  if (!grid.georeferenced()) return corners;
  const auto& t = grid.transform;
  for (const auto& [column, row] :
       {std::array{0, 0}, {0, grid.height}, {grid.width, grid.height}, {grid.width, 0}}) {
    const geo::LonLat corner =
        geo::to_lon_lat(grid.crs, t[0] + column * t[1] + row * t[2], t[3] + column * t[4] + row * t[5]);
    if (!std::isfinite(corner.lon) || !std::isfinite(corner.lat)) return {};
    corners.push_back(corner);
  }
  const auto [west, east] = std::ranges::minmax_element(corners, {}, &geo::LonLat::lon);
  if (east->lon - west->lon > 180) return {};
  double area = 0;  // twice the signed one
  for (std::size_t i = 0; i < corners.size(); ++i) {
    const geo::LonLat &a = corners[i], &b = corners[(i + 1) % corners.size()];
    area += a.lon * b.lat - b.lon * a.lat;
  }
  if (area < 0) std::ranges::reverse(corners);
  return corners;
}

bool is_parquet(const std::filesystem::path& path) { return path.extension() == ".parquet"; }

}  // namespace

PendingFile::~PendingFile() {
  std::error_code ignored;
  if (!published_) std::filesystem::remove(temporary(), ignored);
}

std::filesystem::path PendingFile::temporary() const { return temporary_name(path_); }

void PendingFile::publish() {
  terramill::publish(temporary(), path_);
  published_ = true;
}

Geometry geometry_of(const corpus::TileRecord& record, const geo::Grid& window) {
  Geometry geometry;
  geometry.corners = corners_of(window);
  if (!geometry.corners.empty()) {
    geometry.type = "Polygon";
    geometry.wkb = polygon_wkb(geometry.corners);
  } else if (std::isfinite(record.lon) && std::isfinite(record.lat)) {
    geometry.type = "Point";
    geometry.corners = {{record.lon, record.lat}};
    geometry.wkb = point_wkb(geometry.corners.front());
  }
  return geometry;
}

void check_feature_path(const std::filesystem::path& path, std::size_t axes) {
  const std::string extension = path.extension().string();
  if (!is_parquet(path) && extension != ".h5" && extension != ".hdf5") {
    throw UsageError("the output's name tells no form of file",
                     {"write features", path.string(), "let it end in .parquet, .h5 or .hdf5"});
  }
  if (is_parquet(path) && axes != 1) {
    throw UsageError("dense features are written as HDF5 only",
                     {"write features", path.string(), "let the output end in .h5"});
  }
  if (is_parquet(path) && !have_parquet()) {
    throw UsageError(
        "this build cannot write Parquet",
        {"write features", path.string(), "let the output end in .h5, or run jobs/setup.sh and build"});
  }
}

std::unique_ptr<FeatureWriter> open_feature_writer(const std::filesystem::path& path,
                                                   const FeatureFileHead& head) {
  check_feature_path(path, head.shape.size());
  return is_parquet(path) ? open_parquet(path, head) : open_hdf5(path, head);
}

}  // namespace terramill::eval
