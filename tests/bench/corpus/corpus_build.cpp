// What a build costs against what it cannot do without: reading the raw tiles and compressing them, nothing
// else.
//
// usage: bench_corpus_build RAW SCRATCH
// RAW is a folder as MMEarth's downloader leaves it (`terramill corpus synth` invents one). Prints, for one
// and two threads, the wall and processor seconds of the build and of the same tiles read and encoded in
// memory, and the ratios.

#include <terramill/core/thread_pool.hpp>
#include <terramill/corpus/build.hpp>
#include <terramill/corpus/tile_encoder.hpp>
#include <terramill/mpi/communicator.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include <sys/resource.h>

namespace {

using namespace terramill;

struct Cost {
  double wall = 0, processor = 0;
};

double processor_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

Cost cost_of(const std::function<void()>& work) {
  const auto start = std::chrono::steady_clock::now();
  const double before = processor_seconds();
  work();
  return {std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(),
          processor_seconds() - before};
}

/// Calls `work(i)` for every tile on a pool, in slices.
void in_parallel(int threads, std::uint64_t tiles,
                 const std::function<void(std::uint64_t, std::uint64_t)>& work) {
  ThreadPool pool(threads);
  std::vector<std::future<void>> slices;
  const std::uint64_t each = std::max<std::uint64_t>(1, tiles / (8 * static_cast<std::uint64_t>(threads)));
  for (std::uint64_t begin = 0; begin < tiles; begin += each) {
    slices.push_back(pool.submit([&work, begin, end = std::min(tiles, begin + each)] { work(begin, end); }));
  }
  for (auto& slice : slices) slice.get();
}

void compare(const std::filesystem::path& raw, const std::filesystem::path& scratch, int threads) {
  corpus::BuildOptions options;
  options.source.kind = "mmearth-tiles";
  options.source.input = raw;
  options.output = scratch / ("corpus-" + std::to_string(threads));
  options.threads = threads;
  const std::shared_ptr<const corpus::Source> source = corpus::open_source(options.source);
  const auto schema = std::make_shared<const corpus::Schema>(source->schema());
  const std::uint64_t tiles = source->candidates();

  std::vector<corpus::Tile> loaded(tiles);
  const Cost reading = cost_of([&] {
    in_parallel(threads, tiles, [&](std::uint64_t begin, std::uint64_t end) {
      for (std::uint64_t i = begin; i < end; ++i) {
        if (auto tile = source->load(i)) loaded[i] = std::move(*tile);
      }
    });
  });
  const Cost compressing = cost_of([&] {
    in_parallel(threads, tiles, [&](std::uint64_t begin, std::uint64_t end) {
      corpus::ChunkEncoder encoder(options.codec, options.level);
      for (std::uint64_t i = begin; i < end; ++i) {
        for (std::size_t m = 0; m < loaded[i].values.size(); ++m) {
          const corpus::Modality& modality = schema->modalities[m];
          if (modality.pixel) encoder.encode(loaded[i].values[m], corpus::size_of(modality.dtype));
        }
      }
    });
  });
  loaded.clear();
  const auto self = mpi::Communicator::self();
  const Cost whole = cost_of([&] { corpus::build(self, options); });

  std::printf("%d thread%s, %llu tiles        wall    processor seconds\n", threads, threads == 1 ? " " : "s",
              static_cast<unsigned long long>(tiles));
  std::printf("  reading alone         %8.2f  %8.2f\n", reading.wall, reading.processor);
  std::printf("  compressing alone     %8.2f  %8.2f\n", compressing.wall, compressing.processor);
  std::printf("  the build             %8.2f  %8.2f\n", whole.wall, whole.processor);
  std::printf("  compressing / build   %8.2f  %8.2f\n", compressing.wall / whole.wall,
              compressing.processor / whole.processor);
  std::printf("  reading + compressing / build %.2f  %8.2f\n", (reading.wall + compressing.wall) / whole.wall,
              (reading.processor + compressing.processor) / whole.processor);
  std::filesystem::remove_all(options.output);
}

}  // namespace

int main(int argc, char** argv) {
  const mpi::Session session(&argc, &argv);
  if (argc != 3) {
    std::fprintf(stderr, "usage: bench_corpus_build RAW SCRATCH\n");
    return 2;
  }
  for (const int threads : {1, 2}) compare(argv[1], argv[2], threads);
  return 0;
}
