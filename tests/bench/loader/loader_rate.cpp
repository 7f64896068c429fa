// Tiles a second that the loader gives, against what inflating the same chunks alone would allow, in the same
// run:
//
//     bench_loader_rate CORPUS [THREADS …]      (default 1 2)
//
// The corpus is one of codec deflate; loader_rate.sh invents one. Every modality but masks is loaded, whole
// tiles, all hashes checked. The limit is libdeflate over the same chunks, held in memory, on as many
// threads: no reading, no hashes, no unshuffling, no normalising. The ratio of CPU times a tile holds on a
// busy machine too. Each number is the best of three passes, after one that fills the page cache.

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/corpus/index.hpp>
#include <terramill/corpus/shard_index.hpp>
#include <terramill/loader/loader.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <libdeflate.h>

namespace {

using namespace terramill;

constexpr int kPasses = 3;

struct Rate {
  double tiles_per_second = 0;
  double cpu_microseconds = std::numeric_limits<double>::infinity();  // a tile, of all threads
};

/// The best of the passes.
template <typename Pass>
Rate best_rate(std::size_t tiles, Pass pass) {
  pass();
  Rate best;
  for (int i = 0; i < kPasses; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const std::clock_t cpu = std::clock();
    pass();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    const double used = static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC;
    best.tiles_per_second = std::max(best.tiles_per_second, static_cast<double>(tiles) / seconds.count());
    best.cpu_microseconds = std::min(best.cpu_microseconds, used * 1e6 / static_cast<double>(tiles));
  }
  return best;
}

struct Chunk {
  std::vector<std::byte> stored;
  std::size_t decoded = 0;
};

/// The stored pixel chunks of each tile.
std::vector<std::vector<Chunk>> read_chunks(const std::filesystem::path& corpus,
                                            const corpus::Manifest& manifest,
                                            const std::vector<loader::Request>& requests,
                                            const std::vector<sampling::PlanEntry>& entries) {
  std::vector<std::vector<Chunk>> tiles;
  std::uint32_t open = ~std::uint32_t{0};
  corpus::ShardIndex index;
  FileDescriptor file;
  for (const auto& entry : entries) {
    if (entry.shard != open) {
      open = entry.shard;
      index = corpus::ShardIndex::read(corpus::shard_index_path(corpus, open));
      file = FileDescriptor::open_read(corpus::shard_path(corpus, open));
    }
    auto& chunks = tiles.emplace_back();
    for (const auto& request : requests) {
      const corpus::Modality& modality = *manifest.schema.find(request.modality);
      if (!modality.pixel) continue;
      const auto m = static_cast<std::uint32_t>(manifest.schema.index_of(request.modality));
      const corpus::ChunkLocation& at = index.at(entry.row, m);
      chunks.push_back({std::vector<std::byte>(at.size), manifest.schema.tile_bytes(modality)});
      file.read_at(at.offset, chunks.back().stored);
    }
  }
  return tiles;
}

void inflate_all(const std::vector<std::vector<Chunk>>& tiles, int threads) {
  std::atomic<std::size_t> next = 0;
  std::vector<std::thread> workers;
  for (int t = 0; t < threads; ++t) {
    workers.emplace_back([&] {
      const std::unique_ptr<libdeflate_decompressor, void (*)(libdeflate_decompressor*)> inflate(
          libdeflate_alloc_decompressor(), libdeflate_free_decompressor);
      std::vector<std::byte> values;
      for (std::size_t tile = next++; tile < tiles.size(); tile = next++) {
        for (const Chunk& chunk : tiles[tile]) {
          values.resize(std::max(values.size(), chunk.decoded));
          if (libdeflate_zlib_decompress(inflate.get(), chunk.stored.data(), chunk.stored.size(),
                                         values.data(), chunk.decoded, nullptr) != LIBDEFLATE_SUCCESS) {
            std::fputs("a chunk does not inflate\n", stderr);
            std::abort();
          }
        }
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
}

int run(const std::filesystem::path& corpus, const std::vector<int>& thread_counts) {
  const corpus::Manifest manifest = corpus::read_manifest(corpus);
  if (manifest.codec != corpus::Codec::kDeflate) throw UsageError("the corpus must be of codec deflate");
  std::vector<loader::Request> requests;
  for (const auto& modality : manifest.schema.modalities) {
    if (modality.kind != corpus::Kind::kMask && modality.name != "sentinel2_scl") {
      requests.push_back({modality.name, {}, loader::default_form(modality)});
    }
  }
  const corpus::IndexReader index(corpus / corpus::kIndexFile);
  const auto columns =
      index.read(0, std::min<std::uint64_t>(index.rows(), 2000), corpus::kTileKey | corpus::kShardRow);
  loader::Work work;
  work.micro_batch = 32;
  std::size_t stored = 0, decoded = 0;
  for (std::size_t i = 0; i < columns.count; ++i) {
    work.positions.push_back(i);
    work.entries.push_back({columns.tile_key[i], columns.shard[i], columns.row[i]});
  }
  const auto chunks = read_chunks(corpus, manifest, requests, work.entries);
  for (const auto& tile : chunks) {
    for (const Chunk& chunk : tile) stored += chunk.stored.size(), decoded += chunk.decoded;
  }
  std::printf("%zu tiles of %d x %d, %zu modalities, %.1f KB stored and %.1f KB decoded a tile, %u cores\n",
              work.entries.size(), manifest.schema.height, manifest.schema.width, requests.size(),
              static_cast<double>(stored) / static_cast<double>(work.entries.size()) / 1e3,
              static_cast<double>(decoded) / static_cast<double>(work.entries.size()) / 1e3,
              std::thread::hardware_concurrency());
  std::printf("%8s %16s %16s %8s %16s %16s %10s\n", "threads", "loader tiles/s", "inflate tiles/s", "ratio",
              "loader CPU us", "inflate CPU us", "CPU ratio");
  for (const int threads : thread_counts) {
    loader::LoaderOptions options;
    options.threads = threads;
    options.prefetch = 8;
    loader::Loader loader(corpus, requests, options);
    const Rate rate = best_rate(work.entries.size(), [&] {
      loader.start(work);
      while (loader.next()) continue;
    });
    const Rate limit = best_rate(work.entries.size(), [&] { inflate_all(chunks, threads); });
    std::printf("%8d %16.0f %16.0f %8.2f %16.0f %16.0f %10.2f\n", threads, rate.tiles_per_second,
                limit.tiles_per_second, rate.tiles_per_second / limit.tiles_per_second, rate.cpu_microseconds,
                limit.cpu_microseconds, limit.cpu_microseconds / rate.cpu_microseconds);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("usage: bench_loader_rate CORPUS [THREADS ...]\n", stderr);
    return 2;
  }
  std::vector<int> threads;
  for (int i = 2; i < argc; ++i) threads.push_back(std::atoi(argv[i]));
  if (threads.empty()) threads = {1, 2};
  try {
    return run(argv[1], threads);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
