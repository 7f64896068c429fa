#include "assemble.hpp"
#include "build_folder.hpp"
#include "reference_statistics.hpp"
#include "shard_job.hpp"
#include "work_log.hpp"

#include <terramill/core/activity.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/fault_points.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/log.hpp>
#include <terramill/core/progress.hpp>
#include <terramill/corpus/build.hpp>
#include <terramill/corpus/index.hpp>
#include <terramill/mpi/root_decision.hpp>
#include <terramill/mpi/work_server.hpp>

#include <algorithm>
#include <chrono>
#include <thread>

#include <sched.h>

namespace terramill::corpus {
namespace {

using Clock = std::chrono::steady_clock;

/// Enough shards for many ranks, but no smaller than a file system likes.
std::uint64_t default_shard_tiles(std::uint64_t candidates) {
  std::uint64_t tiles = 64;
  while (tiles < 1024 && tiles * 64 < candidates) tiles *= 2;
  return tiles;
}

int default_threads(const mpi::Communicator& comm) {
  const int ranks = comm.split_node().size();
  const int online = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  cpu_set_t set;
  CPU_ZERO(&set);
  const int allowed = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : online;
  // A launcher that binds ranks has shared the cores out already.
  return std::max(1, allowed < online ? allowed : allowed / ranks);
}

/// What decides the corpus, by the names of the command line.
Json decisive_options(const BuildOptions& options, const Source& source) {
  const Schema& schema = source.schema();
  Json json;
  json["source"] = options.source.kind;
  // A folder's name need not be UTF-8.
  json["input"] = to_hex(xxh3(source.describe().dump(-1, ' ', false, Json::error_handler_t::replace)));
  if (const auto files = source.files_xxh3()) json["input files"] = to_hex(*files);
  json["candidates"] = source.candidates();
  json["schema"] = schema.name;
  json["tile-size"] = schema.height;
  json["shard-tiles"] = options.shard_tiles;
  json["codec"] = name_of(options.codec);
  json["level"] = options.codec == Codec::kNone ? 0 : options.level;
  json["codec library"] = library_version(options.codec);
  json["compat"] = options.source.reference ? "reference" : "none";
  json["mapping"] = options.source.mapping.empty() ? "none" : to_hex(xxh3_file(options.source.mapping));
  json["validation-share"] = options.source.validation_share;
  json["test-share"] = options.source.test_share;
  json["split-seed"] = options.source.split_seed;
  return json;
}

void demand_agreement(const mpi::Communicator& comm, const Json& decisive) {
  std::vector<std::pair<std::string, std::string>> values;
  for (const auto& [name, value] : decisive.items()) values.emplace_back(name, value.dump());
  mpi::require_agreement(comm, values, "input and options of the build");
}

ShardPlan plan_of(const BuildOptions& options, std::shared_ptr<const Source> source, int threads) {
  ShardPlan plan;
  plan.corpus = options.output;
  plan.schema = std::make_shared<const Schema>(source->schema());
  plan.encoders = std::make_shared<EncoderLender>(plan.schema, options.codec, options.level);
  plan.codec = options.codec;
  plan.candidates = source->candidates();
  plan.shard_tiles = options.shard_tiles;
  plan.source = std::move(source);
  std::size_t bytes = 0;
  for (const Modality& modality : plan.schema->modalities) bytes += plan.schema->tile_bytes(modality);
  // A tile in flight is there as read, decoded and encoded, and two shards are in the making at once.
  const std::size_t affordable = options.memory_mib * (std::size_t{1} << 20) / (12 * bytes);
  plan.window = std::clamp<std::size_t>(affordable, 1, 16 * static_cast<std::size_t>(threads));
  return plan;
}

/// One build on one rank.
class Builder {
 public:
  Builder(const mpi::Communicator& comm, BuildOptions options) : comm_(comm), options_(std::move(options)) {}

  BuildReport run() {
    const auto start = Clock::now();
    if (options_.threads == 0) options_.threads = default_threads(comm_);
    std::shared_ptr<const Source> source = open_source(options_.source, &comm_);
    if (options_.shard_tiles == 0) options_.shard_tiles = default_shard_tiles(source->candidates());
    decisive_ = decisive_options(options_, *source);
    demand_agreement(comm_, decisive_);
    plan_ = plan_of(options_, std::move(source), options_.threads);
    shards_ = (plan_.candidates + plan_.shard_tiles - 1) / plan_.shard_tiles;
    mpi::on_root(comm_, [&] { folder_.emplace(options_.output, decisive_); });
    report_.complete_before = comm_.max(folder_ && folder_->finished() ? 1 : 0) > 0;
    if (report_.complete_before) {
      if (folder_) manifest_ = *folder_->finished();
    } else {
      build_shards();
      assemble_all();
    }
    summarise(std::chrono::duration<double>(Clock::now() - start).count());
    return report_;
  }

 private:
  void build_shards() {
    std::vector<std::uint64_t> missing;
    mpi::on_root(comm_, [&] { missing = folder_->missing(shards_); });
    if (!missing.empty() && missing.size() < shards_) {
      log::info("{} of {} shards are there already", shards_ - missing.size(), shards_);
    }
    const std::uint64_t there = shards_ - missing.size();
    mpi::WorkServer server(comm_, std::move(missing));
    WorkLog log(comm_, server);
    {
      Progress progress("corpus build", shards_, "shards");
      if (comm_.rank() == 0) progress.set(there);
      ThreadPool pool(options_.threads);
      work(server, pool, log, progress);
      log.finish();
      progress.set(shards_);
    }
    report_.longest_wait_ms = log.longest_wait_ms();
    report_.longest_wait_rank = log.longest_wait_rank();
    if (!options_.work_log.empty()) mpi::on_root(comm_, [&] { log.write(options_.work_log); });
  }

  void work(mpi::WorkServer& server, ThreadPool& pool, WorkLog& log, Progress& progress) {
    const auto fetch = [&]() -> std::unique_ptr<ShardJob> {
      const auto shard = server.next();
      return shard ? std::make_unique<ShardJob>(plan_, pool, *shard) : nullptr;
    };
    auto last_look = Clock::now();
    const auto tile_done = [&] {
      beat();
      if (!folder_ || Clock::now() - last_look < std::chrono::seconds(2)) return;
      last_look = Clock::now();
      progress.set(folder_->parts());
    };
    std::unique_ptr<ShardJob> job = fetch();
    for (std::int64_t taken = 1; job; ++taken) {
      fault_points::begin_unit(taken);
      const std::uint64_t shard = job->shard();
      log.begin(shard);
      job->run(tile_done);
      // The next shard's first tiles keep the pool busy while this one's file is completed.
      std::unique_ptr<ShardJob> next = fetch();
      const ShardPart part = job->finish();
      write_part(part_path(options_.output, shard), part);
      log.end(shard);
      ++report_.built_shards;
      report_.built_tiles += part.entry.tiles;
      job = std::move(next);
    }
  }

  void assemble_all() {
    std::optional<Json> statistics;
    if (options_.source.reference) {
      std::vector<std::uint64_t> tiles(shards_, 0);
      mpi::on_root(comm_, [&] {
        for (std::uint64_t s = 0; s < shards_; ++s) {
          tiles[s] = read_part_head(part_path(options_.output, s)).value().entry.tiles;
        }
      });
      comm_.broadcast(std::as_writable_bytes(std::span(tiles)));
      statistics = reference_statistics(comm_, options_.output, *plan_.schema, plan_.codec, tiles);
    }
    mpi::on_root(comm_, [&] {
      describe();
      report_.reasons = assemble(options_.output, shards_, statistics, manifest_).reasons;
      folder_->remove_parts();
    });
  }

  void describe() {
    manifest_.schema = *plan_.schema;
    manifest_.codec = plan_.codec;
    manifest_.level = plan_.codec == Codec::kNone ? 0 : options_.level;
    manifest_.codec_library = library_version(plan_.codec);
    manifest_.reference = options_.source.reference;
    manifest_.source = plan_.source->describe();
    manifest_.synthetic = manifest_.source.value("synthetic", false);
    manifest_.label_names = manifest_.source.value("label_names", std::vector<std::string>());
    manifest_.options = decisive_;
    manifest_.shard_tiles = plan_.shard_tiles;
  }

  void summarise(double seconds) {
    report_.tiles = comm_.max(manifest_.tiles);
    report_.quarantined = comm_.max(manifest_.quarantined);
    report_.shards = shards_;
    report_.built_shards = comm_.sum(report_.built_shards);
    report_.built_tiles = comm_.sum(report_.built_tiles);
    std::uint64_t bytes = 0;
    for (const Modality& modality : plan_.schema->modalities) bytes += plan_.schema->tile_bytes(modality);
    report_.decoded_bytes = report_.tiles * bytes;
    report_.built_bytes = report_.built_tiles * bytes;
    for (const ShardEntry& shard : manifest_.shards) report_.stored_bytes += shard.bytes;
    report_.seconds = seconds;
    report_.threads = options_.threads;
    report_.content = to_hex(manifest_.content);
  }

  const mpi::Communicator& comm_;
  BuildOptions options_;
  Json decisive_;
  ShardPlan plan_;
  std::uint64_t shards_ = 0;
  std::optional<BuildFolder> folder_;  // on rank 0
  Manifest manifest_;                  // whole on rank 0
  BuildReport report_;
};

}  // namespace

double BuildReport::quarantine_rate() const noexcept {
  const std::uint64_t candidates = tiles + quarantined;
  return candidates == 0 ? 0 : static_cast<double>(quarantined) / static_cast<double>(candidates);
}

BuildReport build(const mpi::Communicator& comm, const BuildOptions& options) {
  return Builder(comm, options).run();
}

}  // namespace terramill::corpus
