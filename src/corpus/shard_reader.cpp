#include <terramill/core/error.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/corpus/shard_file.hpp>

namespace terramill::corpus {

ShardReader::ShardReader(const std::filesystem::path& corpus, std::uint64_t shard, const Schema& schema,
                         Codec codec)
    : schema_(schema),
      file_(FileDescriptor::open_read(shard_path(corpus, shard))),
      index_(ShardIndex::read(shard_index_path(corpus, shard))),
      decoder_(codec) {
  if (index_.modalities() != schema.modalities.size()) {
    throw FormatError("the index of a shard has " + std::to_string(index_.modalities()) +
                          " modalities, the schema " + std::to_string(schema.modalities.size()),
                      {"open a shard", file_.path().string(), "verify the corpus"});
  }
}

std::vector<std::byte> ShardReader::read(std::uint64_t row, std::size_t modality) {
  const Modality& described = schema_.modalities[modality];
  const ChunkLocation& location = index_.at(row, static_cast<std::uint32_t>(modality));
  const ErrorContext context{"read " + described.name + " of row " + std::to_string(row),
                             file_.path().string(), "verify the corpus"};
  if (location.size > file_.size()) throw FormatError("its location is longer than the file", context);
  stored_.resize(location.size);
  file_.read_at(location.offset, stored_);
  if (xxh3(stored_) != location.xxh3)
    throw IntegrityError("the stored bytes do not agree with their hash", context);
  std::vector<std::byte> values(schema_.tile_bytes(described));
  if (described.pixel) {
    decoder_.decode(stored_, size_of(described.dtype), values);
  } else if (stored_.size() == values.size()) {
    values = stored_;
  } else {
    throw FormatError("its location has not the size of a row", context);
  }
  return values;
}

}  // namespace terramill::corpus
