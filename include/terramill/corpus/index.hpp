#pragma once

#include <terramill/core/hdf5.hpp>
#include <terramill/corpus/tile.hpp>

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace terramill::corpus {

/// Columns of index.h5, as bits of a selection.
enum Column : std::uint32_t {
  kTileId = 1u << 0,
  kLonLat = 1u << 1,
  kCrs = 1u << 2,
  kTransform = 1u << 3,
  kDate = 1u << 4,
  kS2Type = 1u << 5,
  kBiome = 1u << 6,
  kEcoRegion = 1u << 7,
  kLandCover = 1u << 8,
  kPresent = 1u << 9,
  kCloud = 1u << 10,
  kLabel = 1u << 11,
  kLabelBits = 1u << 12,
  kSplit = 1u << 13,
  kShardRow = 1u << 14,
  kAllColumns = (1u << 15) - 1,
  kTileKey = 1u << 15,  ///< tile_key without keeping tile_id; kTileId implies it
};

/// The HDF5 dataset of each column, in the order of the file (docs/formats.md).
const std::vector<std::string>& index_datasets();

/// A run of rows as columns. Only the selected ones are filled; `land_cover` is rows x 12.
struct IndexColumns {
  std::uint64_t begin = 0, count = 0;
  std::vector<std::string> tile_id;
  std::vector<std::uint64_t> tile_key;  ///< xxh3 of tile_id: what random keys are drawn from
  std::vector<double> lon, lat;
  std::vector<std::string> crs, date;
  std::vector<double> transform;
  std::vector<std::uint8_t> s2_type, split;
  std::vector<std::int16_t> biome, eco_region;
  std::vector<std::uint32_t> land_cover, present, shard, row;
  std::vector<float> cloud;
  std::vector<std::int32_t> label;
  std::vector<std::uint64_t> label_bits;
};

/// Writes index.h5 in pieces, in row order: one contiguous dataset per column.
class IndexWriter {
 public:
  /// `rows` in all; `id_width`, `crs_width`: bytes of the longest text of each column.
  IndexWriter(const std::filesystem::path& path, std::uint64_t rows, std::size_t id_width,
              std::size_t crs_width);
  void append(std::span<const TileRecord> records);
  /// Closes; Error when fewer rows than promised were appended. The caller publishes the file.
  void finish();

 private:
  void write_column(const std::string& name, hid_t memory_type, const void* values, std::size_t count);
  void write_text_column(const std::string& name, std::size_t width, const std::vector<std::string>& values);

  h5::Handle file_;
  std::filesystem::path path_;
  std::uint64_t rows_, written_ = 0;
  std::size_t id_width_, crs_width_;
};

/// Reads index.h5. Thread-safe through the HDF5 lock.
class IndexReader {
 public:
  explicit IndexReader(const std::filesystem::path& path);
  std::uint64_t rows() const noexcept { return rows_; }
  IndexColumns read(std::uint64_t begin, std::uint64_t count, std::uint32_t columns) const;
  std::vector<TileRecord> read_records(std::uint64_t begin, std::uint64_t count) const;

 private:
  h5::Handle file_;
  std::filesystem::path path_;
  std::uint64_t rows_ = 0;
};

}  // namespace terramill::corpus
