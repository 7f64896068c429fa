#pragma once

#include <terramill/corpus/world.hpp>

#include <cstdint>

namespace terramill::corpus::world {

/// A piece of managed land under a point.
struct Parcel {
  std::uint32_t id = 0;  ///< hashed, never 0 inside a parcel
  float edge = 0;        ///< m to the nearest edge
};

/// How the land of a region of 12 km is divided: into strips of rectangles, irregular polygons, or irrigated
/// circles.
class ParcelLayout {
 public:
  ParcelLayout(const World& world, const Site& site);
  /// The parcel at projected metres; id 0 between circles.
  Parcel at(double x, double y) const;
  /// The street block at projected metres; streets are where `edge` is below `street_width`.
  Parcel block_at(double x, double y) const;

  float street_width() const noexcept { return street_width_; }
  bool hedges() const noexcept { return hedges_; }
  /// 0 … 1: a number of this region, for what varies from region to region.
  float regional(int which) const noexcept;

 private:
  enum class Form : std::uint8_t { kStrips, kPolygons, kCircles };
  Parcel strip_at(double x, double y) const;
  Parcel polygon_at(double x, double y) const;
  Parcel circle_at(double x, double y) const;

  std::uint64_t key_ = 0;
  Form form_ = Form::kStrips;
  double cosine_ = 1, sine_ = 0, breadth_ = 150, length_ = 300, block_ = 120;
  float street_width_ = 5;
  bool hedges_ = false;
};

}  // namespace terramill::corpus::world
