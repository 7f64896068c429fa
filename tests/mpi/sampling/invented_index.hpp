#pragma once

#include "support/shared_scratch.hpp"

#include <terramill/core/philox.hpp>
#include <terramill/corpus/index.hpp>
#include <terramill/corpus/manifest.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace terramill::sampling {

using testing::SharedScratch;

/// `count` tiles in shards of `per_shard`: classes 1 … 4 with frequencies falling by thirds, every fifth tile
/// of the test split, every seventh without Sentinel-1.
inline std::vector<corpus::TileRecord> invented_records(std::uint64_t count, std::uint32_t per_shard) {
  const auto schema = corpus::mmearth_schema(64);
  const std::uint32_t sentinel1 = 1u << schema.index_of("sentinel1");
  std::vector<corpus::TileRecord> records;
  for (std::uint64_t i = 0; i < count; ++i) {
    PhiloxStream stream(5, Purpose::kTest, i);
    corpus::TileRecord record;
    record.tile_id = "tile-" + std::to_string(i);
    const double draw = stream.uniform();
    const std::size_t dominant = draw < 0.02 ? 4 : draw < 0.1 ? 3 : draw < 0.3 ? 2 : 1;
    record.land_cover[dominant] = 3000;
    record.land_cover[dominant + 2] = 1096;
    record.biome = static_cast<std::int16_t>(stream.below(3)) - 1;
    record.present = (1u << schema.modalities.size()) - 1;
    if (i % 7 == 3) record.present &= ~sentinel1;
    record.split = i % 5 == 4 ? corpus::Split::kTest : corpus::Split::kTrain;
    record.shard = static_cast<std::uint32_t>(i / per_shard);
    record.row = static_cast<std::uint32_t>(i % per_shard);
    records.push_back(record);
  }
  return records;
}

/// The index and manifest of `records`, written by rank 0.
inline corpus::Manifest write_index(const mpi::Communicator& comm, const std::filesystem::path& path,
                                    const std::vector<corpus::TileRecord>& records) {
  mpi::all_or_none(comm, [&] {
    if (comm.rank() != 0) return;
    corpus::IndexWriter writer(path, records.size(), 16, 4);
    writer.append(records);
    writer.finish();
  });
  corpus::Manifest manifest;
  manifest.schema = corpus::mmearth_schema(64);
  manifest.index_only = true;
  manifest.content = 0x1234567890abcdef;
  manifest.tiles = records.size();
  return manifest;
}

}  // namespace terramill::sampling
