#pragma once

#include <terramill/corpus/schema.hpp>
#include <terramill/corpus/tile.hpp>
#include <terramill/report/pictures.hpp>

#include <vector>

namespace terramill::report {

/// A modality's decoded values as numbers, NaN where the value is the modality's no-data value; in the order
/// in which they are stored.
std::vector<float> numbers_of(const corpus::Modality& modality, const std::vector<std::byte>& values);

/// One picture of all pixel modalities of a tile with their names: optical ones from B4, B3 and B2, class
/// maps in their official colours with a legend of the classes that occur, other modalities band by band in
/// grey. Each band is stretched from the 2nd to the 98th percentile of its valid values in this tile, and the
/// limits are written above; no-data is magenta. Absent modalities and bands without data are named.
Picture draw_tile_sheet(const corpus::Schema& schema, const corpus::Tile& tile);

}  // namespace terramill::report
