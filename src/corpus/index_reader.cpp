#include <terramill/core/error.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/corpus/index.hpp>

#include <algorithm>

namespace terramill::corpus {

IndexReader::IndexReader(const std::filesystem::path& path) : file_(h5::open_file(path)), path_(path) {
  for (const std::string& name : index_datasets()) {
    const auto shape = h5::shape_of(file_, name);
    const hsize_t width = name == "transform" ? 6 : name == "land_cover" ? kLandCoverClasses : 0;
    if (name == index_datasets().front() && !shape.empty()) rows_ = shape[0];
    if (shape.empty() || shape[0] != rows_ || shape.size() != (width > 0 ? 2u : 1u) ||
        (width > 0 && shape[1] != width)) {
      throw FormatError("the column " + name + " of " + path.string() + " has not the shape of an index",
                        {"open an index", path.string(), "verify the corpus"});
    }
  }
}

IndexColumns IndexReader::read(std::uint64_t begin, std::uint64_t count, std::uint32_t columns) const {
  IndexColumns result;
  result.begin = begin;
  result.count = count;
  const auto numbers = [&]<typename T>(Column column, const char* name, std::vector<T>& into) {
    if (columns & column) into = h5::read_rows<T>(file_, name, begin, count);
  };
  const auto texts = [&](Column column, const char* name, std::vector<std::string>& into) {
    if (columns & column) into = h5::read_strings(file_, name, begin, count);
  };
  if (columns & (kTileId | kTileKey)) {
    std::vector<std::string> ids = h5::read_strings(file_, "tile_id", begin, count);
    result.tile_key.reserve(ids.size());
    for (const std::string& id : ids) result.tile_key.push_back(xxh3(id));
    if (columns & kTileId) result.tile_id = std::move(ids);
  }
  numbers(kLonLat, "lon", result.lon);
  numbers(kLonLat, "lat", result.lat);
  texts(kCrs, "crs", result.crs);
  numbers(kTransform, "transform", result.transform);
  texts(kDate, "date", result.date);
  numbers(kS2Type, "s2_type", result.s2_type);
  numbers(kBiome, "biome", result.biome);
  numbers(kEcoRegion, "eco_region", result.eco_region);
  numbers(kLandCover, "land_cover", result.land_cover);
  numbers(kPresent, "present", result.present);
  numbers(kCloud, "cloud", result.cloud);
  numbers(kLabel, "label", result.label);
  numbers(kLabelBits, "label_bits", result.label_bits);
  numbers(kSplit, "split", result.split);
  numbers(kShardRow, "shard", result.shard);
  numbers(kShardRow, "row", result.row);
  return result;
}

std::vector<TileRecord> IndexReader::read_records(std::uint64_t begin, std::uint64_t count) const {
  const IndexColumns columns = read(begin, count, kAllColumns);
  std::vector<TileRecord> records(count);
  for (std::size_t i = 0; i < count; ++i) {
    TileRecord& record = records[i];
    record.tile_id = columns.tile_id[i];
    record.lon = columns.lon[i];
    record.lat = columns.lat[i];
    record.crs = columns.crs[i];
    std::copy_n(columns.transform.begin() + static_cast<std::ptrdiff_t>(6 * i), 6, record.transform.begin());
    record.date = columns.date[i];
    record.s2_type = static_cast<S2Type>(columns.s2_type[i]);
    record.biome = columns.biome[i];
    record.eco_region = columns.eco_region[i];
    std::copy_n(columns.land_cover.begin() + static_cast<std::ptrdiff_t>(kLandCoverClasses * i),
                kLandCoverClasses, record.land_cover.begin());
    record.present = columns.present[i];
    record.cloud = columns.cloud[i];
    record.label = columns.label[i];
    record.label_bits = columns.label_bits[i];
    record.split = static_cast<Split>(columns.split[i]);
    record.shard = columns.shard[i];
    record.row = columns.row[i];
  }
  return records;
}

}  // namespace terramill::corpus
