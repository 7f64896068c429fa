
#include <terramill/core/activity.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/progress.hpp>
#include <terramill/core/thread_pool.hpp>
#include <terramill/corpus/synth.hpp>
#include <terramill/geo/image.hpp>
#include <terramill/mpi/meeting.hpp>
#include <terramill/mpi/root_decision.hpp>

#include <algorithm>
#include <atomic>
#include <span>
#include <string>

namespace terramill::corpus {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTileInfoFile = "data_synthetic_v001_tile_info.json";
constexpr const char* kTileFolder = "merged";

/// What SYNTHETIC.txt says: that nothing here was measured, and every option that the tiles depend on.
std::string label_text(const WorldOptions& world) {
  return std::string(
             "These tiles are synthetic. `terramill corpus synth` invented them; nothing in them was "
             "measured.\n") +
         "seed = " + std::to_string(world.seed) + "\nsize = " + std::to_string(world.size) +
         "\nlocations = " + (world.locations == Locations::kBiome ? "biome" : "natural") +
         "\nocean-share = " + shortest_text(world.ocean_share) +
         "\ncluster-share = " + shortest_text(world.cluster_share) + "\n";
}

/// Whether the folder holds raw tiles.
bool has_tiles(const fs::path& folder) {
  std::error_code status;
  if (fs::exists(folder / kTileFolder, status)) return true;
  for (const auto& entry : fs::directory_iterator(folder, status)) {
    if (entry.path().filename().string().ends_with("tile_info.json")) return true;
  }
  return false;
}

/// Creates the folder, or sees that it belongs to this world; tiles count only after their label is durable.
void prepare_folder(const SynthOptions& options) {
  const fs::path label = options.output / kSyntheticFile;
  const ErrorContext context{"invent tiles", options.output.string(),
                             "choose another --output, or give the same options"};
  std::error_code status;
  fs::create_directories(options.output, status);
  if (status) throw IoError("the folder cannot be made", status.value(), context);
  const std::string text = label_text(options.world);
  if (fs::exists(label)) {
    if (read_text(label) != text) {
      throw UsageError("the folder holds tiles of another invented world; its " +
                           std::string(kSyntheticFile) + " names its options",
                       context);
    }
  } else {
    if (has_tiles(options.output)) throw UsageError("the folder holds tiles that were not invented", context);
    write_file_durably(label, text);
  }
  fs::create_directory(options.output / kTileFolder, status);
  if (status) throw IoError("the folder cannot be made", status.value(), context);
}

/// Writes tile_info.json, one tile after the other: memory does not grow with their number.
void write_tile_info(const World& world, const SynthOptions& options) {
  const fs::path path = options.output / kTileInfoFile;
  FileDescriptor file = FileDescriptor::create(temporary_name(path));
  std::string text = "{";
  constexpr std::size_t kFlush = 1u << 20;
  const auto flush = [&] {
    file.write(std::as_bytes(std::span(text)));
    text.clear();
  };
  for (std::uint64_t i = 0; i < options.tiles; ++i) {
    if (i > 0) text += ", ";
    text.append("\"")
        .append(World::tile_id(i))
        .append("\": ")
        .append(dump_json(invented_tile_info(world, i)));
    if (text.size() > kFlush) flush();
  }
  text += "}";
  flush();
  file.close();
  publish(temporary_name(path), path);
}

/// Paints and writes the tiles of [next, end) until none is left; tiles that are there are kept.
SynthSummary paint_tiles(const World& world, const SynthOptions& options, std::atomic<std::uint64_t>& next,
                         std::uint64_t end, Progress& progress) {
  SynthSummary summary;
  TilePainter painter(world);
  geo::GeoTiffOptions format;
  format.compress = options.compress;
  format.metadata = {{kSyntheticKey, "true"},
                     {"TIFFTAG_IMAGEDESCRIPTION", "synthetic: invented by terramill corpus synth"}};
  for (std::uint64_t i = next++; i < end; i = next++) {
    beat();
    const fs::path path = options.output / kTileFolder / (World::tile_id(i) + ".tif");
    std::error_code status;
    if (fs::file_size(path, status) > 0 && !status) {
      ++summary.kept;
    } else {
      const RawTile& tile = painter.paint(i);
      format.band_names = tile.band_names;
      geo::write_geotiff<float>(path, tile.grid, tile.values, format);
      ++summary.written;
    }
    progress.add();
  }
  return summary;
}

}  // namespace

SynthSummary write_invented_tiles(const mpi::Communicator& comm, const SynthOptions& options) {
  const World world(options.world);
  std::unique_ptr<DirectoryLock> lock;
  mpi::on_root(comm, [&] {
    prepare_folder(options);
    lock = std::make_unique<DirectoryLock>(options.output, "corpus synth");
  });

  SynthSummary summary;
  const auto paint_share = [&] {
    const auto rank = static_cast<std::uint64_t>(comm.rank()), size = static_cast<std::uint64_t>(comm.size());
    const std::uint64_t end = (rank + 1) * options.tiles / size;
    std::atomic<std::uint64_t> next = rank * options.tiles / size;
    Progress progress("corpus synth", end - next, size > 1 ? "tiles of rank 0" : "tiles");
    ThreadPool pool(options.threads);
    std::vector<std::future<SynthSummary>> parts;
    for (int thread = 0; thread < options.threads; ++thread) {
      parts.push_back(pool.submit([&] {
        try {
          return paint_tiles(world, options, next, end, progress);
        } catch (...) {
          next = end;  // the other threads need not go on
          throw;
        }
      }));
    }
    for (auto& part : parts) part.wait();
    for (auto& part : parts) {
      const SynthSummary done = part.get();
      summary.written += done.written;
      summary.kept += done.kept;
    }
  };
  mpi::all_or_none(comm, [&] { mpi::work_and_meet(comm, paint_share); });
  mpi::on_root(comm, [&] {
    write_tile_info(world, options);
    std::error_code ignored;
    fs::remove(options.output / ".lock", ignored);
  });
  return {comm.sum(summary.written), comm.sum(summary.kept)};
}

}  // namespace terramill::corpus
