#include "part.hpp"

#include "tile_record.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/hash.hpp>

#include <algorithm>
#include <array>
#include <cstring>

namespace terramill::corpus {
namespace {

constexpr std::string_view kMagic = "TMILLPT1";

/// The fixed-size head as it lies in the file, behind the magic.
struct StoredHead {
  std::uint64_t tiles, bytes, xxh3, idx_xxh3, content, faults, id_width, crs_width;
};

PartHead head_of(const StoredHead& stored) {
  return {{stored.tiles, stored.bytes, stored.xxh3, stored.idx_xxh3, stored.content},
          stored.faults,
          stored.id_width,
          stored.crs_width};
}

ErrorContext context_of(const std::filesystem::path& path) {
  return {"read a part of an unfinished build", path.string(), "delete this part and build again"};
}

}  // namespace

std::filesystem::path part_path(const std::filesystem::path& corpus, std::uint64_t shard) {
  return corpus / ".build" / shard_path(corpus, shard).filename().replace_extension(".part");
}

void write_part(const std::filesystem::path& path, const ShardPart& part) {
  StoredHead head{part.entry.tiles,
                  part.entry.bytes,
                  part.entry.xxh3,
                  part.entry.idx_xxh3,
                  part.entry.content,
                  part.faults.size(),
                  0,
                  0};
  for (const TileRecord& record : part.records) {
    head.id_width = std::max<std::uint64_t>(head.id_width, record.tile_id.size());
    head.crs_width = std::max<std::uint64_t>(head.crs_width, record.crs.size());
  }
  ByteWriter out;
  out.put_bytes(std::as_bytes(std::span(kMagic)));
  out.put(head);
  const std::vector<std::byte> statistics = part.statistics.serialise();
  out.put(static_cast<std::uint64_t>(statistics.size()));
  out.put_bytes(statistics);
  for (const TileRecord& record : part.records) put_record(out, record);
  for (const TileFault& fault : part.faults) {
    out.put_text(fault.tile_id);
    out.put_text(fault.file);
    out.put_text(fault.reason);
  }
  out.put(xxh3(out.bytes()));
  write_file_durably(path, {reinterpret_cast<const char*>(out.bytes().data()), out.size()});
}

std::optional<PartHead> read_part_head(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  const FileDescriptor file = FileDescriptor::open_read(path);
  std::array<std::byte, kMagic.size() + sizeof(StoredHead)> bytes;
  file.read_at(0, bytes);
  if (std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0) {
    throw FormatError(path.string() + " is no part of a build", context_of(path));
  }
  StoredHead stored;
  std::memcpy(&stored, bytes.data() + kMagic.size(), sizeof(stored));
  return head_of(stored);
}

ShardPart read_part(const std::filesystem::path& path, const Schema& schema, std::uint64_t shard) {
  const std::vector<std::byte> bytes = read_bytes(path);
  const auto all = std::span(bytes);
  std::uint64_t stored_hash = 0;
  if (all.size() < sizeof(stored_hash))
    throw FormatError(path.string() + " is no part of a build", context_of(path));
  const auto body = all.first(all.size() - sizeof(stored_hash));
  std::memcpy(&stored_hash, all.last(sizeof(stored_hash)).data(), sizeof(stored_hash));
  if (xxh3(body) != stored_hash) {
    throw IntegrityError(path.string() + " does not agree with its hash", context_of(path));
  }
  ByteReader in(body, path.string());
  in.get_bytes(kMagic.size());
  const auto head = head_of(in.get<StoredHead>());
  ShardPart part(schema);
  part.entry = head.entry;
  part.statistics = Statistics::deserialise(schema, in.get_bytes(in.get<std::uint64_t>()));
  for (std::uint64_t row = 0; row < head.entry.tiles; ++row) {
    TileRecord& record = part.records.emplace_back(get_record(in));
    record.shard = static_cast<std::uint32_t>(shard);
    record.row = static_cast<std::uint32_t>(row);
  }
  for (std::uint64_t i = 0; i < head.faults; ++i) {
    TileFault& fault = part.faults.emplace_back();
    fault.tile_id = in.get_text();
    fault.file = in.get_text();
    fault.reason = in.get_text();
  }
  return part;
}

}  // namespace terramill::corpus
