#pragma once

// How pixel values become the stored values of a modality. Internal to the room.

#include <terramill/corpus/schema.hpp>
#include <terramill/corpus/tile.hpp>

#include <cstddef>
#include <optional>
#include <span>

namespace terramill::corpus {

enum class Cast {
  kNearest,  ///< NaN means missing and is stored as no-data; the rest rounds to nearest, clips, and stays off
             ///< no-data
  kHdf5,     ///< as HDF5 converts float arrays: truncates towards zero and clips; NaN becomes 0 in integers
};

/// Fills every modality of `tile` with its no-data value (0 where it has none).
void fill_absent(const Schema& schema, Tile& tile);

/// Stores `values` as elements [begin, begin + values.size()) of the modality.
void store_values(const Modality& modality, std::span<const float> values, std::size_t begin, Cast cast,
                  std::span<std::byte> stored);

/// The no-data value as the modality's type holds it: declared values outside its range are clipped as HDF5
/// does.
std::optional<double> stored_no_data(const Modality& modality);

/// Sets the modality's bit in `tile.record.present` where at least one of its values is valid.
void mark_present(const Schema& schema, std::size_t modality, Tile& tile);

/// Counts the classes of `record.land_cover` over a modality that holds WorldCover codes.
void count_land_cover(std::span<const std::byte> codes, TileRecord& record);

}  // namespace terramill::corpus
