#include <terramill/core/activity.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/corpus/shard_file.hpp>

#include <algorithm>
#include <array>
#include <cstring>

namespace terramill::corpus {
namespace {

constexpr H5Z_filter_t kZstdFilter = 32015;  // registered with The HDF Group

hid_t file_type(DType type) {
  switch (type) {
    case DType::kUInt8:
      return H5T_STD_U8LE;
    case DType::kInt8:
      return H5T_STD_I8LE;
    case DType::kUInt16:
      return H5T_STD_U16LE;
    case DType::kInt16:
      return H5T_STD_I16LE;
    case DType::kFloat32:
      return H5T_IEEE_F32LE;
  }
  return -1;
}

/// The dataset's shape for `rows` tiles.
std::vector<hsize_t> shape_of_rows(const Schema& schema, const Modality& modality, std::uint64_t rows) {
  std::vector<hsize_t> shape = {rows, modality.bands.size()};
  if (modality.pixel) {
    shape.push_back(static_cast<hsize_t>(schema.height));
    shape.push_back(static_cast<hsize_t>(schema.width));
  }
  return shape;
}

h5::Handle text_type(std::size_t width, const std::string& subject) {
  h5::Handle type(H5Tcopy(H5T_C_S1), "copy a text type", subject);
  h5::check(H5Tset_size(type, width), "set a text's width", subject);
  h5::check(H5Tset_strpad(type, H5T_STR_NULLPAD), "set a text's padding", subject);
  return type;
}

h5::Handle metadata_type(const std::string& subject) {
  h5::Handle type(H5Tcreate(H5T_COMPOUND, kTileIdBytes + kS2TypeBytes), "create a compound type", subject);
  h5::check(H5Tinsert(type, "tile_id", 0, text_type(kTileIdBytes, subject)), "describe metadata", subject);
  h5::check(H5Tinsert(type, "S2_type", kTileIdBytes, text_type(kS2TypeBytes, subject)), "describe metadata",
            subject);
  return type;
}

/// Creates a contiguous dataset and writes all of it; returns where its values lie in the file.
std::uint64_t write_contiguous(hid_t file, const std::string& name, hid_t type,
                               const std::vector<hsize_t>& shape, const void* values,
                               const std::string& subject) {
  const h5::Handle space(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr),
                         "describe a shape", subject);
  const h5::Handle properties = h5::dataset_properties();
  h5::check(H5Pset_fill_time(properties, H5D_FILL_TIME_NEVER), "set a fill time", subject);
  const h5::Handle dataset(H5Dcreate2(file, name.c_str(), type, space, H5P_DEFAULT, properties, H5P_DEFAULT),
                           "create a dataset", subject);
  if (shape.front() == 0) return 0;
  h5::check(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values), "write a dataset", subject);
  return H5Dget_offset(dataset);
}

}  // namespace

std::string_view name_of(S2Type type) noexcept {
  return type == S2Type::kL1C ? "l1c" : type == S2Type::kL2A ? "l2a" : "";
}

std::vector<ShardMetadata> read_metadata(const std::filesystem::path& shard) {
  const h5::Lock lock(h5::mutex());
  const Activity activity("read", shard);
  const h5::Handle file = h5::open_file(shard);
  const auto shape = h5::shape_of(file, "metadata");
  const std::string subject = "metadata of " + shard.string();
  const h5::Handle dataset(H5Dopen2(file, "metadata", H5P_DEFAULT), "open a dataset", subject);
  constexpr std::size_t kBytes = kTileIdBytes + kS2TypeBytes;
  std::vector<char> rows(shape.at(0) * kBytes);
  if (!rows.empty()) {
    h5::check(H5Dread(dataset, metadata_type(subject), H5S_ALL, H5S_ALL, H5P_DEFAULT, rows.data()),
              "read metadata", subject);
  }
  beat();
  std::vector<ShardMetadata> metadata;
  for (std::size_t at = 0; at < rows.size(); at += kBytes) {
    const char* id = rows.data() + at;
    const char* type = id + kTileIdBytes;
    metadata.push_back({{id, strnlen(id, kTileIdBytes)}, {type, strnlen(type, kS2TypeBytes)}});
  }
  return metadata;
}

ShardWriter::ShardWriter(std::filesystem::path path, std::shared_ptr<const Schema> schema, Codec codec,
                         std::uint64_t capacity)
    : path_(std::move(path)),
      temporary_(temporary_name(path_)),
      schema_(std::move(schema)),
      image_level_(schema_->modalities.size()),
      capacity_(capacity) {
  const h5::Lock lock(h5::mutex());
  file_ = h5::create_file(temporary_);
  for (const Modality& modality : schema_->modalities) {
    datasets_.push_back(modality.pixel ? create_pixels(modality, codec, capacity) : h5::Handle());
  }
}

h5::Handle ShardWriter::create_pixels(const Modality& modality, Codec codec, std::uint64_t capacity) {
  const std::string subject = modality.name + " of " + path_.string();
  const auto shape = shape_of_rows(*schema_, modality, capacity);
  const auto chunk = shape_of_rows(*schema_, modality, 1);
  const h5::Handle space(H5Screate_simple(4, shape.data(), nullptr), "describe a shape", subject);
  const h5::Handle properties = h5::dataset_properties();
  h5::check(H5Pset_chunk(properties, 4, chunk.data()), "set chunks", subject);
  if (codec != Codec::kNone) h5::check(H5Pset_shuffle(properties), "set a filter", subject);
  if (codec == Codec::kDeflate) h5::check(H5Pset_deflate(properties, 6), "set a filter", subject);
  // Optional, since this HDF5 need not know the filter: the chunks arrive encoded.
  if (codec == Codec::kZstd) {
    h5::check(H5Pset_filter(properties, kZstdFilter, H5Z_FLAG_OPTIONAL, 0, nullptr), "set a filter", subject);
  }
  return {H5Dcreate2(file_, modality.name.c_str(), file_type(modality.dtype), space, H5P_DEFAULT, properties,
                     H5P_DEFAULT),
          "create a dataset", subject};
}

void ShardWriter::append(const EncodedTile& tile) {
  const std::uint64_t row = metadata_.size();
  if (row >= capacity_) throw Error("more tiles than promised", {"write a shard", path_.string(), ""});
  if (tile.record.tile_id.size() > kTileIdBytes) {
    throw Error("the tile's identifier is longer than 100 bytes", {"write a shard", tile.record.tile_id, ""});
  }
  const h5::Lock lock(h5::mutex());
  for (std::size_t m = 0; m < schema_->modalities.size(); ++m) {
    const std::vector<std::byte>& stored = tile.stored[m];
    ChunkLocation& location = locations_.emplace_back(ChunkLocation{0, stored.size(), tile.xxh3[m]});
    if (!schema_->modalities[m].pixel) {
      image_level_[m].insert(image_level_[m].end(), stored.begin(), stored.end());
      continue;
    }
    hsize_t end = 0;
    h5::check(H5Fget_filesize(file_, &end), "ask for a file's size", path_.string());
    location.offset = end;
    const std::array<hsize_t, 4> offset = {row, 0, 0, 0};
    h5::check(H5Dwrite_chunk(datasets_[m], H5P_DEFAULT, 0, offset.data(), stored.size(), stored.data()),
              "write a chunk", schema_->modalities[m].name + " of " + path_.string());
  }
  metadata_.push_back({tile.record.tile_id, std::string(name_of(tile.record.s2_type))});
  content_.update_u64(tile.content);
}

void ShardWriter::write_image_level() {
  for (std::size_t m = 0; m < schema_->modalities.size(); ++m) {
    const Modality& modality = schema_->modalities[m];
    if (modality.pixel) continue;
    const std::string subject = modality.name + " of " + path_.string();
    const std::uint64_t begin = write_contiguous(file_, modality.name, file_type(modality.dtype),
                                                 shape_of_rows(*schema_, modality, metadata_.size()),
                                                 image_level_[m].data(), subject);
    for (std::size_t row = 0; row < metadata_.size(); ++row) {
      locations_[row * schema_->modalities.size() + m].offset = begin + row * schema_->tile_bytes(modality);
    }
  }
}

void ShardWriter::write_metadata() {
  std::vector<char> rows(metadata_.size() * (kTileIdBytes + kS2TypeBytes), '\0');
  for (std::size_t i = 0; i < metadata_.size(); ++i) {
    char* row = rows.data() + i * (kTileIdBytes + kS2TypeBytes);
    metadata_[i].tile_id.copy(row, kTileIdBytes);
    metadata_[i].s2_type.copy(row + kTileIdBytes, kS2TypeBytes);
  }
  const std::string subject = "metadata of " + path_.string();
  write_contiguous(file_, "metadata", metadata_type(subject), {metadata_.size()}, rows.data(), subject);
}

ShardIndex ShardWriter::locate() {
  const std::size_t modalities = schema_->modalities.size();
  ShardIndex index(metadata_.size(), static_cast<std::uint32_t>(modalities));
  const FileDescriptor bytes = FileDescriptor::open_read(temporary_);
  const std::uint64_t end = bytes.size();
  std::vector<std::byte> stored;
  const auto lies_at = [&](const ChunkLocation& location) {
    if (location.offset > end || location.size > end - location.offset) return false;
    stored.resize(location.size);
    bytes.read_at(location.offset, stored);
    return xxh3(stored) == location.xxh3;
  };
  const h5::Handle file = h5::open_file(temporary_);
  for (std::size_t row = 0; row < metadata_.size(); ++row) {
    for (std::size_t m = 0; m < modalities; ++m) {
      ChunkLocation location = locations_[row * modalities + m];
      const std::string subject = schema_->modalities[m].name + " of " + path_.string();
      if (!lies_at(location) && schema_->modalities[m].pixel) {
        // HDF5 put metadata before the chunk, as it does for a dataset's first: ask it, which is slow.
        const h5::Lock lock(h5::mutex());
        const h5::Handle dataset(H5Dopen2(file, schema_->modalities[m].name.c_str(), H5P_DEFAULT),
                                 "open a dataset", subject);
        const std::array<hsize_t, 4> offset = {row, 0, 0, 0};
        unsigned mask = 0;
        haddr_t address = 0;
        hsize_t size = 0;
        h5::check(H5Dget_chunk_info_by_coord(dataset, offset.data(), &mask, &address, &size), "find a chunk",
                  subject);
        location.offset = address;
      }
      if (!lies_at(location)) {
        throw LibraryError("a chunk does not read back as written",
                           {"check a shard", subject, "check the storage below the corpus"});
      }
      index.at(row, static_cast<std::uint32_t>(m)) = location;
    }
  }
  return index;
}

ShardEntry ShardWriter::finish(const std::filesystem::path& index_path) {
  {
    const h5::Lock lock(h5::mutex());
    for (std::size_t m = 0; m < datasets_.size(); ++m) {
      if (!schema_->modalities[m].pixel) continue;
      const auto shape = shape_of_rows(*schema_, schema_->modalities[m], metadata_.size());
      h5::check(H5Dset_extent(datasets_[m], shape.data()), "set a shape", path_.string());
      datasets_[m].reset();
    }
    write_image_level();
    write_metadata();
    file_.reset();
  }
  ShardEntry entry;
  entry.tiles = metadata_.size();
  entry.content = content_.digest();
  locate().write(index_path);
  entry.idx_xxh3 = xxh3_file(index_path);
  entry.xxh3 = xxh3_file(temporary_);
  entry.bytes = std::filesystem::file_size(temporary_);
  publish(temporary_, path_);
  return entry;
}

}  // namespace terramill::corpus
