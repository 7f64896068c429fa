#include "world_parcels.hpp"

#include "world_fields.hpp"
#include "world_noise.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace terramill::corpus::world {
namespace {

constexpr double kRegionSide = 12000;  // m

std::uint32_t id_of(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32) | 1u; }
std::int64_t floor_of(double x) { return static_cast<std::int64_t>(std::floor(x)); }

/// The cell of a rectangle lattice, its rows shifted against each other, and the distance to its edges.
Parcel rectangle(std::uint64_t key, double u, double v, double length, double breadth, bool split) {
  const std::int64_t row = floor_of(v / breadth);
  const std::uint64_t of_row = lattice_hash(key, 1, row);
  u += length * unit(of_row);
  const std::int64_t column = floor_of(u / length);
  double left = u - length * static_cast<double>(column), low = v - breadth * static_cast<double>(row);
  std::uint64_t hash = lattice_hash(key, column, row, 2);
  // Some rectangles are two fields, side by side or end to end.
  const float form = unit(hash, 8);
  if (split && form < 0.25f) {
    const double half = length / 2;
    if (left >= half) hash = mix(hash), left -= half;
    length = half;
  } else if (split && form < 0.45f) {
    const double half = breadth / 2;
    if (low >= half) hash = mix(hash), low -= half;
    breadth = half;
  }
  const double edge = std::min(std::min(left, length - left), std::min(low, breadth - low));
  return {id_of(hash), static_cast<float>(edge)};
}

}  // namespace

ParcelLayout::ParcelLayout(const World& world, const Site& site) {
  const std::uint64_t region =
      lattice_hash(world.key(kParcels) + static_cast<std::uint64_t>(site.epsg),
                   floor_of(site.left / kRegionSide), floor_of(site.top / kRegionSide));
  key_ = mix(region);
  const double angle = std::numbers::pi * unit(region, 0);
  cosine_ = std::cos(angle);
  sine_ = std::sin(angle);
  const float form = regional(0), size = regional(1);
  const Climate& climate = site.climate;
  if (climate.moisture < 0.27 && form < 0.5f) {
    form_ = Form::kCircles;
  } else {
    form_ = form < 0.62f ? Form::kStrips : Form::kPolygons;
  }
  breadth_ = form_ == Form::kCircles ? 500 + 400 * size : 60 + 260 * size * size;
  length_ = breadth_ * (1.2 + 2 * regional(2));
  block_ = 70 + 90 * regional(3);
  street_width_ = 4.0f + 4.0f * regional(4);
  hedges_ = form_ != Form::kCircles && climate.moisture > 0.45 && regional(5) < 0.5f;
}

float ParcelLayout::regional(int which) const noexcept {
  return unit(mix(key_ + 77 + static_cast<std::uint64_t>(which)));
}

Parcel ParcelLayout::at(double x, double y) const {
  switch (form_) {
    case Form::kStrips:
      return strip_at(x, y);
    case Form::kPolygons:
      return polygon_at(x, y);
    case Form::kCircles:
      return circle_at(x, y);
  }
  return {};
}

Parcel ParcelLayout::strip_at(double x, double y) const {
  return rectangle(key_, cosine_ * x + sine_ * y, cosine_ * y - sine_ * x, length_, breadth_, true);
}

Parcel ParcelLayout::block_at(double x, double y) const {
  return rectangle(key_ + 1, cosine_ * x + sine_ * y, cosine_ * y - sine_ * x, 1.7 * block_, block_, false);
}

Parcel ParcelLayout::polygon_at(double x, double y) const {
  const double u = x / length_, v = y / length_;
  const std::int64_t column = floor_of(u), row = floor_of(v);
  double best = 1e9, second = 1e9;
  std::uint64_t owner = 0;
  for (std::int64_t j = row - 1; j <= row + 1; ++j) {
    for (std::int64_t i = column - 1; i <= column + 1; ++i) {
      const std::uint64_t hash = lattice_hash(key_, i, j, 3);
      const double dx = static_cast<double>(i) + 0.1 + 0.8 * unit(hash, 0) - u;
      const double dy = static_cast<double>(j) + 0.1 + 0.8 * unit(hash, 24) - v;
      const double distance = dx * dx + dy * dy;
      if (distance < best) {
        second = best;
        best = distance;
        owner = hash;
      } else if (distance < second) {
        second = distance;
      }
    }
  }
  return {id_of(mix(owner)), static_cast<float>((std::sqrt(second) - std::sqrt(best)) * 0.5 * length_)};
}

Parcel ParcelLayout::circle_at(double x, double y) const {
  const std::int64_t column = floor_of(x / breadth_), row = floor_of(y / breadth_);
  const double dx = x - (static_cast<double>(column) + 0.5) * breadth_;
  const double dy = y - (static_cast<double>(row) + 0.5) * breadth_;
  const double edge = 0.48 * breadth_ - std::sqrt(dx * dx + dy * dy);
  const std::uint64_t hash = lattice_hash(key_, column, row, 4);
  if (edge < 0 || unit(hash, 8) < 0.15f) return {};
  return {id_of(hash), static_cast<float>(edge)};
}

}  // namespace terramill::corpus::world
