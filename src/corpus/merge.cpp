#include "build_folder.hpp"
#include "merge_inputs.hpp"
#include "part.hpp"
#include "shard_work.hpp"
#include "verify_shard.hpp"

#include <terramill/core/activity.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/corpus/index.hpp>
#include <terramill/corpus/merge.hpp>
#include <terramill/corpus/shard_file.hpp>
#include <terramill/corpus/tile_encoder.hpp>
#include <terramill/mpi/root_decision.hpp>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <span>
#include <system_error>

namespace terramill::corpus {
namespace {

namespace fs = std::filesystem;

/// Each piece is a beat.
void copy_in_pieces(const fs::path& from, const fs::path& to) {
  constexpr std::uint64_t kPiece = std::uint64_t{8} << 20;
  const FileDescriptor source = FileDescriptor::open_read(from);
  FileDescriptor target = FileDescriptor::create(to);
  const std::uint64_t size = source.size();
  std::vector<std::byte> piece(std::min(kPiece, size));
  for (std::uint64_t begin = 0; begin < size; begin += kPiece) {
    const auto part = std::span(piece).first(std::min(kPiece, size - begin));
    source.read_at(begin, part);
    target.write(part);
  }
  target.close();
}

/// Gives a file a second name, or copies it where that cannot be; durable. Whether it was linked.
bool link_or_copy(const fs::path& from, const fs::path& to) {
  const fs::path temporary = temporary_name(to);
  std::error_code failed;
  {
    const Activity activity("link", to);
    // A link renamed onto another of the same file would stay where it is.
    fs::remove(to);
    fs::remove(temporary);
    fs::create_hard_link(from, temporary, failed);
    beat();
  }
  if (failed) copy_in_pieces(from, temporary);
  publish(temporary, to);
  return !failed;
}

/// One merge on one rank.
class Merger {
 public:
  Merger(const mpi::Communicator& comm, const MergeOptions& options) : comm_(comm), options_(options) {}

  MergeReport run() {
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::string> names;
    mpi::on_root(comm_, [&] { read_inputs(options_.inputs, names); });
    mpi::all_or_none(comm_, [&] {
      names.clear();
      inputs_ = read_inputs(options_.inputs, names);
    });
    manifest_ = describe_merge(inputs_, std::move(names));
    mpi::on_root(comm_, [&] { folder_.emplace(options_.output, manifest_.options); });
    report_.complete_before = comm_.max(folder_ && folder_->finished() ? 1 : 0) > 0;
    if (report_.complete_before) {
      if (folder_) manifest_ = *folder_->finished();
    } else {
      mpi::on_root(comm_, [&] { check_tables(inputs_); });
      mpi::on_root(comm_, [&] { refuse_duplicates(inputs_); });
      const std::uint64_t shards = manifest_.shards.size();
      take_missing_shards(comm_, "corpus merge", folder_, shards, options_.threads,
                          [this](std::uint64_t shard) { take(shard); });
      assemble_corpus(comm_, options_.output, shards, folder_, manifest_);
    }
    report_.tiles = comm_.max(manifest_.tiles);
    report_.quarantined = manifest_.quarantined;
    report_.shards = manifest_.shards.size();
    report_.linked = comm_.sum(report_.linked);
    report_.copied = comm_.sum(report_.copied);
    report_.content = to_hex(manifest_.content);
    report_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return report_;
  }

 private:
  const MergeInput& input_of(std::uint64_t shard) const {
    const auto after = std::upper_bound(
        inputs_.begin(), inputs_.end(), shard,
        [](std::uint64_t number, const MergeInput& input) { return number < input.first_shard; });
    return *std::prev(after);
  }

  void take(std::uint64_t shard) {
    const MergeInput& input = input_of(shard);
    const std::uint64_t own = shard - input.first_shard;
    const bool linked = link_or_copy(shard_path(input.folder, own), shard_path(options_.output, shard));
    link_or_copy(shard_index_path(input.folder, own), shard_index_path(options_.output, shard));

    ShardPart part(manifest_.schema);
    part.entry = manifest_.shards[shard];
    std::uint64_t begin = 0;
    for (std::uint64_t s = 0; s < own; ++s) begin += input.manifest.shards[s].tiles;
    part.records = IndexReader(input.folder / kIndexFile).read_records(begin, part.entry.tiles);
    for (TileRecord& record : part.records) record.shard = static_cast<std::uint32_t>(shard);
    const ShardFindings findings =
        verify_shard(options_.output, manifest_, shard, part.records, part.statistics);
    if (!findings.faults.empty()) {
      const CorpusFault& fault = findings.faults.front();
      throw IntegrityError(
          shard_path(input.folder, own).string() + ": " + fault.problem,
          {"merge corpora", fault.tile.empty() ? input.folder.string() : "tile " + fault.tile,
           "see `terramill corpus verify " + input.folder.string() + "`"});
    }
    bool changed = false;
    for (TileRecord& record : part.records) {
      changed = relabel(record, input, manifest_.label_names.size()) || changed;
    }
    if (changed) part.entry.content = content_of_shard(shard, part.records);
    if (own == 0) part.faults = read_quarantine(input);
    write_part(part_path(options_.output, shard), part);
    const std::lock_guard lock(mutex_);
    ++(linked ? report_.linked : report_.copied);
  }

  /// The hash of a shard whose rows of the index have changed.
  std::uint64_t content_of_shard(std::uint64_t shard, const std::vector<TileRecord>& records) const {
    ShardReader reader(options_.output, shard, manifest_.schema, manifest_.codec);
    Xxh3 content;
    for (std::uint64_t row = 0; row < records.size(); ++row) {
      Tile tile;
      tile.record = records[row];
      for (std::size_t m = 0; m < manifest_.schema.modalities.size(); ++m) {
        tile.values.push_back(reader.read(row, m));
      }
      content.update_u64(content_of(tile));
    }
    return content.digest();
  }

  const mpi::Communicator& comm_;
  const MergeOptions& options_;
  std::vector<MergeInput> inputs_;
  Manifest manifest_;
  std::optional<BuildFolder> folder_;  // on rank 0
  std::mutex mutex_;
  MergeReport report_;
};

}  // namespace

MergeReport merge(const mpi::Communicator& comm, const MergeOptions& options) {
  return Merger(comm, options).run();
}

}  // namespace terramill::corpus
