#pragma once

namespace terramill::corpus {

/// A place in the Universal Transverse Mercator system.
struct Utm {
  int zone = 1;  ///< 1 … 60
  double easting = 0,
         northing = 0;  ///< m, with the false easting, and south of the equator the false northing
};

/// Projects degrees on WGS 84 into the zone of their longitude (without the exceptions of Norway and
/// Svalbard), to a millimetre: Krüger's series to the fourth order (Karney, "Transverse Mercator with an
/// accuracy of a few nanometers", Journal of Geodesy 85, 2011, equations 7 to 9 and 35).
Utm to_utm(double lon, double lat);

}  // namespace terramill::corpus
