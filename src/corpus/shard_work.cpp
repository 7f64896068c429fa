#include "shard_work.hpp"

#include "assemble.hpp"
#include "part.hpp"
#include "reference_statistics.hpp"

#include <terramill/core/activity.hpp>
#include <terramill/core/fault_points.hpp>
#include <terramill/core/progress.hpp>
#include <terramill/core/thread_pool.hpp>
#include <terramill/mpi/root_decision.hpp>
#include <terramill/mpi/work_server.hpp>

#include <atomic>
#include <mutex>

namespace terramill::corpus {

void share_shards(const mpi::Communicator& comm, const std::string& name, std::vector<std::uint64_t> items,
                  std::uint64_t total, int threads, const std::function<void(std::uint64_t)>& take) {
  Progress progress(name, total, "shards");
  mpi::WorkServer server(comm, std::move(items));
  std::mutex mutex;
  std::int64_t taken = 0;  // guarded by mutex
  std::atomic<bool> failed{false};
  const auto next = [&]() -> std::optional<std::uint64_t> {
    const Activity activity("take a shard");
    const std::lock_guard lock(mutex);
    if (failed) return std::nullopt;  // the other threads need not go on
    const auto shard = server.next();
    if (shard) fault_points::begin_unit(++taken);
    return shard;
  };
  const auto work = [&] {
    // Each thread gets on by itself: a read, a shard, a tile is a beat of it.
    const Watched watched(name);
    try {
      while (const auto shard = next()) {
        take(*shard);
        progress.add();
      }
    } catch (...) {
      failed = true;
      throw;
    }
  };
  {
    ThreadPool pool(threads);
    std::vector<std::future<void>> workers;
    for (int t = 0; t < threads; ++t) workers.push_back(pool.submit(work));
    {
      const Activity activity("wait for the threads of the pool");
      const Unwatched waits;
      for (std::future<void>& worker : workers) worker.wait();
    }
    for (std::future<void>& worker : workers) worker.get();
  }
  server.finish();
  progress.set(total);
}

void take_missing_shards(const mpi::Communicator& comm, const std::string& name,
                         const std::optional<BuildFolder>& folder, std::uint64_t shards, int threads,
                         const std::function<void(std::uint64_t)>& take) {
  std::vector<std::uint64_t> missing;
  mpi::on_root(comm, [&] { missing = folder->missing(shards); });
  share_shards(comm, name, std::move(missing), shards, threads, take);
}

void assemble_corpus(const mpi::Communicator& comm, const std::filesystem::path& corpus, std::uint64_t shards,
                     std::optional<BuildFolder>& folder, Manifest& manifest) {
  std::optional<Json> statistics;
  if (manifest.reference) {
    std::vector<std::uint64_t> tiles(shards, 0);
    mpi::on_root(comm, [&] {
      for (std::uint64_t s = 0; s < shards; ++s) {
        tiles[s] = read_part_head(part_path(corpus, s)).value().entry.tiles;
      }
    });
    comm.broadcast(std::as_writable_bytes(std::span(tiles)));
    statistics = reference_statistics(comm, corpus, manifest.schema, manifest.codec, tiles);
  }
  mpi::on_root(comm, [&] {
    assemble(corpus, shards, statistics, manifest);
    folder->remove_parts();
  });
}

}  // namespace terramill::corpus
