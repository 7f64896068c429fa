#pragma once

#include <terramill/corpus/schema.hpp>
#include <terramill/corpus/tile.hpp>

#include <span>
#include <string_view>

namespace terramill::corpus {

/// Stores the values of an image-level modality and marks it present where one of them is valid.
void store_image_level(const Schema& schema, std::string_view modality, std::span<const float> values,
                       Tile& tile);
/// Stores "lat" and "lon" of the tile's record as (sin, cos) of the angle (MMEarth-data, convert_to_h5.py).
void store_location(const Schema& schema, Tile& tile);
/// Stores "month", 1 … 12, as (sin, cos) of 2 pi month / 12.
void store_month(const Schema& schema, int month, Tile& tile);

}  // namespace terramill::corpus
