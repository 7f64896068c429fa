#pragma once

#include <cstdint>
#include <limits>
#include <span>

namespace terramill::report {

/// Ends a ring of `coastline`.
inline constexpr std::int16_t kRingEnd = std::numeric_limits<std::int16_t>::max();

/// The land's outlines: longitude and latitude in tenths of a degree, alternating, each ring ended by one
/// kRingEnd; rings fill by the even-odd rule. From Natural Earth's 1:110m countries (public domain), merged,
/// simplified to 0.35 degrees, islands below 1.2 square degrees left out: for maps of the whole Earth.
std::span<const std::int16_t> coastline();

}  // namespace terramill::report
