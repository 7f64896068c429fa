#include "utm.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace terramill::corpus {

Utm to_utm(double lon, double lat) {
  constexpr double kRadians = std::numbers::pi / 180;
  constexpr double kFlattening = 1 / 298.257223563, kSemiMajor = 6378137.0, kScale = 0.9996;
  constexpr double n = kFlattening / (2 - kFlattening);
  constexpr double kRectifying = kSemiMajor / (1 + n) * (1 + n * n / 4 + n * n * n * n / 64);
  constexpr double kAlpha[4] = {
      n / 2 - 2 * n * n / 3 + 5 * n * n * n / 16 + 41 * n * n * n * n / 180,
      13 * n * n / 48 - 3 * n * n * n / 5 + 557 * n * n * n * n / 1440,
      61 * n * n * n / 240 - 103 * n * n * n * n / 140,
      49561 * n * n * n * n / 161280,
  };
  Utm utm;
  utm.zone = std::clamp(static_cast<int>(std::floor((lon + 180) / 6)) + 1, 1, 60);
  const double away = (lon - (utm.zone * 6 - 183)) * kRadians;
  const double sine = std::sin(lat * kRadians);
  const double eccentricity = std::sqrt(kFlattening * (2 - kFlattening));
  // The tangent of the conformal latitude.
  const double t = std::sinh(std::atanh(sine) - eccentricity * std::atanh(eccentricity * sine));
  const double xi = std::atan2(t, std::cos(away));
  const double eta = std::asinh(std::sin(away) / std::hypot(t, std::cos(away)));
  double x = eta, y = xi;
  for (int j = 1; j <= 4; ++j) {
    x += kAlpha[j - 1] * std::cos(2 * j * xi) * std::sinh(2 * j * eta);
    y += kAlpha[j - 1] * std::sin(2 * j * xi) * std::cosh(2 * j * eta);
  }
  utm.easting = 500000 + kScale * kRectifying * x;
  utm.northing = (lat >= 0 ? 0 : 1e7) + kScale * kRectifying * y;
  return utm;
}

}  // namespace terramill::corpus
