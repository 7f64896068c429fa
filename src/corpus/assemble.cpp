#include "assemble.hpp"

#include "part.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/corpus/index.hpp>

#include <algorithm>

namespace terramill::corpus {
namespace {

/// The line of a refused tile in quarantine.jsonl.
std::string line_of(const TileFault& fault) {
  return dump_json({{"id", fault.tile_id}, {"file", fault.file}, {"reason", fault.reason}}) + "\n";
}

struct Widths {
  std::uint64_t rows = 0, id = 0, crs = 0;
};

Widths read_heads(const std::filesystem::path& corpus, std::uint64_t shards, Manifest& manifest) {
  Widths widths;
  Xxh3 content;
  manifest.shards.clear();
  manifest.quarantined = 0;
  for (std::uint64_t shard = 0; shard < shards; ++shard) {
    const auto path = part_path(corpus, shard);
    const auto head = read_part_head(path);
    if (!head)
      throw IoError("a part of the build is gone", ENOENT,
                    {"assemble a corpus", path.string(), "build again"});
    manifest.shards.push_back(head->entry);
    manifest.quarantined += head->faults;
    widths.rows += head->entry.tiles;
    widths.id = std::max(widths.id, head->id_width);
    widths.crs = std::max(widths.crs, head->crs_width);
    content.update_u64(head->entry.content);
  }
  manifest.tiles = widths.rows;
  manifest.content = content.digest();
  return widths;
}

}  // namespace

std::string counted_reason(const std::string& reason) {
  constexpr std::string_view kByte = "byte ", kDigits = "0123456789";
  if (reason.starts_with(kByte)) {
    const auto behind = reason.find_first_not_of(kDigits, kByte.size());
    const bool is_place = behind != std::string::npos && behind > kByte.size();
    return is_place && reason.compare(behind, 2, ": ") == 0 ? reason.substr(behind + 2) : reason;
  }
  // GDAL's words begin behind the colon: "cannot be read (truncated?): …; got 19536 bytes, expected 83781".
  const auto colon = reason.find(": ");
  if (!reason.starts_with("cannot be ") || colon == std::string::npos) return reason;
  std::string counted = reason.substr(0, colon);
  for (auto at = colon; at < reason.size(); ++at) {
    const auto is_digit = [&](std::size_t i) { return kDigits.find(reason[i]) != kDigits.npos; };
    if (!is_digit(at)) counted += reason[at];
    if (is_digit(at) && !is_digit(at - 1)) counted += 'N';
  }
  return counted;
}

std::string statistics_text(const Json& statistics) { return dump_json(statistics) + "\n"; }

Assembly assemble(const std::filesystem::path& corpus, std::uint64_t shards,
                  const std::optional<Json>& statistics, Manifest& manifest) {
  Assembly assembly;
  const Widths widths = read_heads(corpus, shards, manifest);
  const auto index_path = corpus / kIndexFile, quarantine_path = corpus / kQuarantineFile;
  IndexWriter index(temporary_name(index_path), widths.rows, widths.id, widths.crs);
  FileDescriptor quarantine = FileDescriptor::create(temporary_name(quarantine_path));
  Statistics total(manifest.schema);
  for (std::uint64_t shard = 0; shard < shards; ++shard) {
    const ShardPart part = read_part(part_path(corpus, shard), manifest.schema, shard);
    index.append(part.records);
    total.merge(part.statistics);
    std::string lines;
    for (const TileFault& fault : part.faults) {
      lines += line_of(fault);
      ++assembly.reasons[counted_reason(fault.reason)];
    }
    quarantine.write(std::as_bytes(std::span(lines)));
  }
  index.finish();
  quarantine.close();
  publish(temporary_name(index_path), index_path);
  publish(temporary_name(quarantine_path), quarantine_path);
  const std::string text = statistics_text(statistics ? *statistics : total.to_json());
  write_file_durably(corpus / kStatisticsFile, text);
  manifest.index_xxh3 = xxh3_file(index_path);
  manifest.quarantine_xxh3 = xxh3_file(quarantine_path);
  manifest.statistics_xxh3 = xxh3(text);
  write_file_durably(corpus / kManifestFile, to_text(manifest));
  return assembly;
}

}  // namespace terramill::corpus
