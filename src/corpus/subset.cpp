#include "part.hpp"
#include "shard_work.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/corpus/index.hpp>
#include <terramill/corpus/shard_file.hpp>
#include <terramill/corpus/subset.hpp>
#include <terramill/corpus/tile_encoder.hpp>
#include <terramill/mpi/root_decision.hpp>

#include <algorithm>
#include <chrono>
#include <memory>

namespace terramill::corpus {
namespace {

Manifest describe(const Manifest& from, const SubsetOptions& options) {
  Manifest manifest = from;
  Xxh3 rows;
  for (const std::uint64_t row : options.rows) rows.update_u64(row);
  manifest.options = {{"subset of the manifest", to_hex(xxh3_file(options.corpus / kManifestFile))},
                      {"rows", to_hex(rows.digest())},
                      {"choice", options.choice}};
  manifest.source = {
      {"kind", "subset"},
      {"choice", options.choice},
      {"corpus", {{"content", to_hex(from.content)}, {"tiles", from.tiles}, {"source", from.source}}},
      {"label_names", from.label_names}};
  manifest.shards.clear();
  return manifest;
}

/// Copies tiles into one shard.
class ShardCopy {
 public:
  ShardCopy(const SubsetOptions& options, const Manifest& from, std::shared_ptr<const Schema> schema,
            std::uint64_t shard, std::uint64_t tiles)
      : options_(options),
        from_(from),
        schema_(std::move(schema)),
        shard_(shard),
        part_(*schema_),
        writer_(shard_path(options.output, shard), schema_, from.codec, tiles) {}

  void append(const TileRecord& record) {
    if (!reader_ || source_ != record.shard) {
      reader_.emplace(options_.corpus, record.shard, *schema_, from_.codec);
      source_ = record.shard;
    }
    Tile tile;
    EncodedTile encoded;
    tile.record = record;
    for (std::size_t m = 0; m < schema_->modalities.size(); ++m) {
      tile.values.push_back(reader_->read(record.row, m));
      encoded.stored.push_back(reader_->stored());
      encoded.xxh3.push_back(reader_->index().at(record.row, static_cast<std::uint32_t>(m)).xxh3);
    }
    encoded.content = content_of(tile);
    encoded.moments = measure(*schema_, tile);
    tile.record.shard = static_cast<std::uint32_t>(shard_);
    tile.record.row = static_cast<std::uint32_t>(part_.records.size());
    encoded.record = tile.record;
    writer_.append(encoded);
    part_.statistics.add(encoded.moments, tile.record.s2_type);
    part_.records.push_back(std::move(tile.record));
  }

  void finish() {
    part_.entry = writer_.finish(shard_index_path(options_.output, shard_));
    write_part(part_path(options_.output, shard_), part_);
  }

 private:
  const SubsetOptions& options_;
  const Manifest& from_;
  std::shared_ptr<const Schema> schema_;
  std::uint64_t shard_, source_ = 0;
  ShardPart part_;
  ShardWriter writer_;
  std::optional<ShardReader> reader_;
};

/// Rows of the index, asked for in ascending order and read in blocks.
class RecordsInOrder {
 public:
  explicit RecordsInOrder(const IndexReader& index) : index_(index) {}
  const TileRecord& at(std::uint64_t row) {
    constexpr std::uint64_t kBlock = 512;
    if (records_.empty() || row >= begin_ + records_.size()) {
      begin_ = row;
      records_ = index_.read_records(row, std::min(kBlock, index_.rows() - row));
    }
    return records_[row - begin_];
  }

 private:
  const IndexReader& index_;
  std::uint64_t begin_ = 0;
  std::vector<TileRecord> records_;
};

void check_corpus(const SubsetOptions& options, const Manifest& from) {
  const ErrorContext context{"make a subset", options.corpus.string(), "see `terramill corpus verify`"};
  if (from.index_only) {
    throw UsageError(options.corpus.string() + " is an index without tiles",
                     {"make a subset", options.corpus.string(), "name a corpus that `corpus build` wrote"});
  }
  if (options.rows.empty()) throw UsageError("a subset needs at least one tile", context);
  if (xxh3_file(options.corpus / kIndexFile) != from.index_xxh3) {
    throw IntegrityError((options.corpus / kIndexFile).string() + " does not agree with the manifest",
                         context);
  }
}

}  // namespace

SubsetReport subset(const mpi::Communicator& comm, const SubsetOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  Manifest from;
  mpi::all_or_none(comm, [&] { from = read_manifest(options.corpus); });
  mpi::on_root(comm, [&] { check_corpus(options, from); });
  Manifest manifest = describe(from, options);
  const std::uint64_t tiles = options.rows.size(), each = std::max<std::uint64_t>(1, from.shard_tiles);
  std::optional<BuildFolder> folder;  // on rank 0
  mpi::on_root(comm, [&] { folder.emplace(options.output, manifest.options); });

  SubsetReport report;
  report.tiles = tiles;
  report.shards = (tiles + each - 1) / each;
  report.complete_before = comm.max(folder && folder->finished() ? 1 : 0) > 0;
  if (report.complete_before) {
    if (folder) manifest = *folder->finished();
  } else {
    const auto schema = std::make_shared<const Schema>(from.schema);
    const IndexReader index(options.corpus / kIndexFile);
    take_missing_shards(comm, "corpus subset", folder, report.shards, options.threads,
                        [&](std::uint64_t shard) {
                          const std::uint64_t begin = shard * each, end = std::min(tiles, begin + each);
                          ShardCopy copy(options, from, schema, shard, end - begin);
                          RecordsInOrder records(index);
                          for (std::uint64_t i = begin; i < end; ++i)
                            copy.append(records.at(options.rows[i]));
                          copy.finish();
                        });
    assemble_corpus(comm, options.output, report.shards, folder, manifest);
  }
  report.content = to_hex(manifest.content);
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace terramill::corpus
