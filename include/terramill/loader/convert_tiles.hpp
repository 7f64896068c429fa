#pragma once

#include <terramill/corpus/schema.hpp>
#include <terramill/corpus/statistics.hpp>
#include <terramill/corpus/tile.hpp>
#include <terramill/loader/loader.hpp>

#include <span>
#include <vector>

namespace terramill::loader {

/// Tiles in memory as a Loader gives those of a corpus: whole, in order, with equal values for equal tiles.
/// `positions`, `tile_keys` and `index_rows` are 0. UsageError as Loader's constructor.
MicroBatch convert_tiles(const corpus::Schema& schema, const std::vector<Request>& requests,
                         const corpus::StatisticsTable& statistics, NoDataMode mode,
                         std::span<const corpus::Tile> tiles);

}  // namespace terramill::loader
