#include "assemble.hpp"
#include "reference_statistics.hpp"
#include "shard_statistics.hpp"
#include "shard_work.hpp"
#include "verify_shard.hpp"

#include <terramill/core/activity.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/corpus/index.hpp>
#include <terramill/corpus/verify.hpp>
#include <terramill/mpi/root_decision.hpp>

#include <algorithm>
#include <chrono>
#include <mutex>
#include <optional>
#include <set>

namespace terramill::corpus {
namespace {

namespace fs = std::filesystem;

Json to_json(const CorpusFault& fault) {
  return {
      {"file", fault.file}, {"tile", fault.tile}, {"modality", fault.modality}, {"problem", fault.problem}};
}

class Verifier {
 public:
  Verifier(const mpi::Communicator& comm, const fs::path& corpus, int threads)
      : comm_(comm), corpus_(corpus), threads_(threads) {}

  VerifyReport run() {
    const auto start = std::chrono::steady_clock::now();
    if (read_the_manifest()) {
      mpi::on_root(comm_, [&] { check_folder(); });
      index_whole_ = comm_.max(index_whole_ ? 1 : 0) > 0;
      check_shards();
      check_statistics();
    }
    gather();
    report_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return std::move(report_);
  }

 private:
  void report(const std::string& file, std::string problem) {
    report_.faults.push_back({file, "", "", std::move(problem)});
  }

  /// A damaged manifest is a fault, after which nothing else can be told; no manifest is no corpus.
  bool read_the_manifest() {
    bool good = true;
    mpi::on_root(comm_, [&] {
      try {
        manifest_ = read_manifest(corpus_);
      } catch (const IoError&) {
        throw;
      } catch (const Error& error) {
        report(kManifestFile, error.message());
        good = false;
      }
    });
    if (comm_.min(good ? 1 : 0) == 0) return false;
    mpi::all_or_none(comm_, [&] {
      if (comm_.rank() != 0) manifest_ = read_manifest(corpus_);
    });
    return true;
  }

  void check_folder() {
    std::set<std::string> expected = {kManifestFile, kIndexFile, kStatisticsFile, kQuarantineFile};
    if (manifest_.index_only) expected = {kManifestFile, kIndexFile};
    for (std::uint64_t shard = 0; shard < manifest_.shards.size(); ++shard) {
      expected.insert(shard_path("", shard).string());
      expected.insert(shard_index_path("", shard).string());
    }
    Activity listing("list", corpus_);
    for (const auto& entry : fs::recursive_directory_iterator(corpus_)) {
      beat();
      if (entry.is_directory()) continue;
      const std::string name = entry.path().lexically_relative(corpus_).string();
      const bool optional = manifest_.index_only && (name == kStatisticsFile || name == kQuarantineFile);
      if (expected.erase(name) == 0 && !optional) report(name, "it does not belong to the corpus");
    }
    listing.end();
    for (const std::string& name : expected) report(name, "it is missing");
    index_whole_ = check_table(kIndexFile, manifest_.index_xxh3);
    if (manifest_.index_only) return;
    check_table(kStatisticsFile, manifest_.statistics_xxh3);
    check_table(kQuarantineFile, manifest_.quarantine_xxh3);
    check_totals();
  }

  /// Whether the file is there, and as the manifest says.
  bool check_table(const char* name, std::uint64_t expected) {
    if (!fs::exists(corpus_ / name)) return false;
    try {
      const std::uint64_t hash = xxh3_file(corpus_ / name);
      report_.bytes += fs::file_size(corpus_ / name);
      if (hash == expected) return true;
      report(name, "its xxh3 is " + to_hex(hash) + ", the manifest says " + to_hex(expected));
    } catch (const Error& error) {
      report(name, error.message());
    }
    return false;
  }

  void check_totals() {
    std::uint64_t tiles = 0;
    Xxh3 content;
    for (const ShardEntry& shard : manifest_.shards) {
      tiles += shard.tiles;
      content.update_u64(shard.content);
    }
    if (tiles != manifest_.tiles) report(kManifestFile, "its shards' tiles do not sum up to its total");
    if (content.digest() != manifest_.content)
      report(kManifestFile, "its content hash is not that of its shards");
    if (!fs::exists(corpus_ / kQuarantineFile)) return;
    const std::string lines = read_text(corpus_ / kQuarantineFile);
    const auto count = static_cast<std::uint64_t>(std::count(lines.begin(), lines.end(), '\n'));
    if (count != manifest_.quarantined) {
      report(kQuarantineFile, "it has " + std::to_string(count) + " lines, the manifest says " +
                                  std::to_string(manifest_.quarantined));
    }
  }

  /// The index, where it is as the manifest says: HDF5 is not safe to run on damaged files.
  std::optional<IndexReader> open_index() {
    if (!index_whole_) return std::nullopt;
    try {
      std::optional<IndexReader> reader(corpus_ / kIndexFile);
      if (reader->rows() == manifest_.tiles) return reader;
      if (comm_.rank() == 0) report(kIndexFile, "it has not as many rows as the manifest has tiles");
    } catch (const Error& error) {
      if (comm_.rank() == 0) report(kIndexFile, error.message());
    }
    return std::nullopt;
  }

  void check_shards() {
    const std::optional<IndexReader> index = open_index();
    std::vector<std::uint64_t> begins(1, 0), items;
    for (std::uint64_t shard = 0; shard < manifest_.shards.size(); ++shard) {
      begins.push_back(begins.back() + manifest_.shards[shard].tiles);
      items.push_back(shard);
    }
    std::mutex mutex;
    share_shards(comm_, "corpus verify", std::move(items), manifest_.shards.size(), threads_,
                 [&](std::uint64_t shard) {
                   std::vector<TileRecord> records;
                   if (index) records = index->read_records(begins[shard], manifest_.shards[shard].tiles);
                   Statistics own(manifest_.schema);
                   ShardFindings findings = verify_shard(corpus_, manifest_, shard, records, own);
                   const std::lock_guard lock(mutex);
                   take(shard, std::move(findings), own);
                 });
  }

  void take(std::uint64_t shard, ShardFindings findings, const Statistics& own) {
    ++report_.shards;
    report_.tiles += manifest_.shards[shard].tiles;
    report_.chunks += findings.chunks;
    report_.bytes += findings.bytes;
    report_.faults.insert(report_.faults.end(), findings.faults.begin(), findings.faults.end());
    statistics_.add(shard, own);
  }

  /// Only a corpus without faults so far has statistics that can be compared.
  void check_statistics() {
    if (manifest_.index_only || comm_.sum(static_cast<std::uint64_t>(report_.faults.size())) > 0) return;
    Json expected;
    if (manifest_.reference) {
      std::vector<std::uint64_t> tiles;
      for (const ShardEntry& shard : manifest_.shards) tiles.push_back(shard.tiles);
      expected = reference_statistics(comm_, corpus_, manifest_.schema, manifest_.codec, tiles);
    } else {
      expected = statistics_.merge(comm_, manifest_.schema).to_json();
    }
    if (comm_.rank() == 0 && read_text(corpus_ / kStatisticsFile) != statistics_text(expected)) {
      report(kStatisticsFile, "it is not what the tiles give");
    }
  }

  void gather() {
    Json own = Json::array();
    for (const CorpusFault& fault : report_.faults) own.push_back(to_json(fault));
    report_.faults.clear();
    for (const std::string& text : comm_.gather(own.dump(-1, ' ', false, Json::error_handler_t::replace))) {
      for (const Json& fault : Json::parse(text)) {
        report_.faults.push_back(
            {fault.at("file"), fault.at("tile"), fault.at("modality"), fault.at("problem")});
      }
    }
    std::stable_sort(report_.faults.begin(), report_.faults.end(),
                     [](const CorpusFault& a, const CorpusFault& b) { return a.file < b.file; });
    report_.fault_count = comm_.sum(static_cast<std::uint64_t>(report_.faults.size()));
    report_.shards = comm_.sum(report_.shards);
    report_.tiles = comm_.sum(report_.tiles);
    report_.chunks = comm_.sum(report_.chunks);
    report_.bytes = comm_.sum(report_.bytes);
  }

  const mpi::Communicator& comm_;
  const fs::path& corpus_;
  int threads_;
  Manifest manifest_;
  bool index_whole_ = false;  ///< its bytes are as the manifest says
  ShardStatistics statistics_;
  VerifyReport report_;
};

}  // namespace

Json to_json(const VerifyReport& report) {
  Json json = {{"good", report.fault_count == 0},   {"shards", report.shards}, {"tiles", report.tiles},
               {"chunks", report.chunks},           {"bytes", report.bytes},   {"seconds", report.seconds},
               {"fault_count", report.fault_count}, {"faults", Json::array()}};
  for (const CorpusFault& fault : report.faults) json["faults"].push_back(to_json(fault));
  return json;
}

VerifyReport verify(const mpi::Communicator& comm, const fs::path& corpus, int threads) {
  return Verifier(comm, corpus, threads).run();
}

}  // namespace terramill::corpus
