#include "assemble.hpp"
#include "spatial_split.hpp"

#include <terramill/core/activity.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/progress.hpp>
#include <terramill/core/thread_pool.hpp>
#include <terramill/corpus/index.hpp>
#include <terramill/corpus/manifest.hpp>
#include <terramill/corpus/statistics.hpp>
#include <terramill/corpus/synth.hpp>
#include <terramill/mpi/meeting.hpp>
#include <terramill/mpi/root_decision.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <future>
#include <span>

namespace terramill::corpus {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kShardTiles = 4096;
constexpr std::uint64_t kBlock = 16384;  // rows that travel together
constexpr int kBlockTag = 17;
constexpr const char* kUnfinished = ".build";  // a folder that is there until the corpus is whole

/// A row without its texts: what ranks send each other.
struct Row {
  double lon, lat, left, top;
  std::array<std::uint32_t, kLandCoverClasses> land_cover;
  std::uint32_t present;
  float cloud;
  std::int32_t epsg;
  std::int16_t biome, eco_region;
  S2Type s2_type;
  Split split;
  std::array<char, 10> date;
};

Row row_of(const TileRecord& record) {
  Row row{};
  row.lon = record.lon;
  row.lat = record.lat;
  row.left = record.transform[0];
  row.top = record.transform[3];
  row.land_cover = record.land_cover;
  row.present = record.present;
  row.cloud = record.cloud;
  row.epsg = std::stoi(record.crs.substr(record.crs.find(':') + 1));
  row.biome = record.biome;
  row.eco_region = record.eco_region;
  row.s2_type = record.s2_type;
  row.split = record.split;
  std::copy_n(record.date.begin(), row.date.size(), row.date.begin());
  return row;
}

TileRecord record_of(const Row& row, std::uint64_t i) {
  TileRecord record;
  record.tile_id = World::tile_id(i);
  record.lon = row.lon;
  record.lat = row.lat;
  record.crs = "EPSG:" + std::to_string(row.epsg);
  record.transform = {row.left, 10, 0, row.top, 0, -10};
  record.date.assign(row.date.begin(), row.date.end());
  record.s2_type = row.s2_type;
  record.biome = row.biome;
  record.eco_region = row.eco_region;
  record.land_cover = row.land_cover;
  record.present = row.present;
  record.cloud = row.cloud;
  record.split = row.split;
  record.shard = static_cast<std::uint32_t>(i / kShardTiles);
  record.row = static_cast<std::uint32_t>(i % kShardTiles);
  return record;
}

SourceOptions split_options(const SynthOptions& options) {
  SourceOptions split;
  split.split_seed = options.world.seed;
  split.validation_share = options.validation_share;
  split.test_share = options.test_share;
  return split;
}

/// Rows [begin, begin + count), by all threads of the pool.
std::vector<Row> invent_rows(const World& world, const SourceOptions& split, ThreadPool& pool,
                             std::uint64_t begin, std::uint64_t count) {
  std::vector<Row> rows(count);
  const auto threads = static_cast<std::uint64_t>(pool.size());
  std::vector<std::future<void>> parts;
  for (std::uint64_t part = 0; part < threads; ++part) {
    parts.push_back(pool.submit([&, part] {
      Surveyor surveyor(world);
      for (std::uint64_t k = part * count / threads; k < (part + 1) * count / threads; ++k) {
        TileRecord record = invented_record(world, surveyor, begin + k);
        record.split = split_of(record.lon, record.lat, record.tile_id, split);
        rows[k] = row_of(record);
      }
    }));
  }
  const Activity activity("wait for the threads of the pool");
  for (auto& part : parts) {
    part.wait();
    beat();
  }
  for (auto& part : parts) part.get();
  return rows;
}

/// Rows of rank `owner` to rank 0, which has made room for as many.
void bring_to_root(const mpi::Communicator& comm, int owner, std::vector<Row>& rows) {
  const int bytes = static_cast<int>(rows.size() * sizeof(Row));
  if (comm.rank() == owner) {
    const Activity activity("send rows of the index to rank 0");
    mpi::check(MPI_Ssend(rows.data(), bytes, MPI_BYTE, 0, kBlockTag, comm.native()),
               "send rows of the index");
  } else {
    Activity activity("receive rows of the index");
    activity.with("from rank", owner);
    mpi::check(MPI_Recv(rows.data(), bytes, MPI_BYTE, owner, kBlockTag, comm.native(), MPI_STATUS_IGNORE),
               "receive rows of the index");
  }
  beat();
}

Manifest manifest_of(const SynthOptions& options) {
  Manifest manifest;
  manifest.schema = mmearth_schema(options.world.size);
  manifest.codec = Codec::kNone;
  manifest.level = 0;
  manifest.codec_library = library_version(Codec::kNone);
  manifest.index_only = true;
  manifest.synthetic = true;
  manifest.source = {{"kind", "invented-world"},
                     {"seed", options.world.seed},
                     {"candidates", options.tiles},
                     {"tile_size", options.world.size},
                     {"locations", options.world.locations == Locations::kBiome ? "biome" : "natural"},
                     {"ocean_share", options.world.ocean_share},
                     {"cluster_share", options.world.cluster_share},
                     {"synthetic", true},
                     {"split", describe_split(split_options(options))}};
  manifest.shard_tiles = kShardTiles;
  manifest.tiles = options.tiles;
  return manifest;
}

/// Writes what belongs to a corpus besides the index; the manifest last, which makes it one.
void finish_corpus(const SynthOptions& options, const fs::path& index) {
  Manifest manifest = manifest_of(options);
  manifest.index_xxh3 = manifest.content = xxh3_file(temporary_name(index));
  publish(temporary_name(index), index);
  const std::string statistics = statistics_text(Statistics(manifest.schema).to_json());
  write_file_durably(options.output / kStatisticsFile, statistics);
  write_file_durably(options.output / kQuarantineFile, "");
  manifest.statistics_xxh3 = xxh3(statistics);
  manifest.quarantine_xxh3 = xxh3(std::string_view());
  write_file_durably(options.output / kManifestFile, to_text(manifest));
}

}  // namespace

void write_invented_index(const mpi::Communicator& comm, const SynthOptions& options) {
  const World world(options.world);
  const SourceOptions split = split_options(options);
  check_shares(split);
  const fs::path index = options.output / kIndexFile;
  std::unique_ptr<DirectoryLock> lock;
  mpi::on_root(comm, [&] {
    const ErrorContext context{"invent an index", options.output.string(), "choose another --output"};
    std::error_code status;
    if (fs::exists(options.output / kManifestFile) || fs::exists(options.output / "shards")) {
      throw UsageError("the folder holds a corpus already", context);
    }
    fs::create_directories(options.output / kUnfinished, status);
    if (status) throw IoError("the folder cannot be made", status.value(), context);
    lock = std::make_unique<DirectoryLock>(options.output / kUnfinished, "corpus synth");
  });

  ThreadPool pool(options.threads);
  std::unique_ptr<IndexWriter> writer;
  constexpr std::size_t kCrsWidth = 10;
  const std::size_t id_width = World::tile_id(options.tiles - 1).size();
  if (comm.rank() == 0)
    writer = std::make_unique<IndexWriter>(temporary_name(index), options.tiles, id_width, kCrsWidth);
  Progress progress("corpus synth", options.tiles, "tiles");
  mpi::Meeting meeting(comm);

  // Block b is invented by rank b mod size; rank 0 appends the blocks in their order. A sender waits for rank
  // 0 before it goes on to its next block, so no more than one block a rank is in memory.
  const std::uint64_t blocks = (options.tiles + kBlock - 1) / kBlock;
  for (std::uint64_t block = 0; block < blocks; ++block) {
    const int owner = static_cast<int>(block % static_cast<std::uint64_t>(comm.size()));
    if (comm.rank() != 0 && comm.rank() != owner) continue;
    const std::uint64_t begin = block * kBlock, count = std::min(kBlock, options.tiles - begin);
    std::vector<Row> rows;
    if (comm.rank() == owner) rows = invent_rows(world, split, pool, begin, count);
    if (owner != 0) {
      rows.resize(count);
      bring_to_root(comm, owner, rows);
    }
    if (comm.rank() != 0) continue;
    std::vector<TileRecord> records;
    records.reserve(count);
    for (std::uint64_t k = 0; k < count; ++k) records.push_back(record_of(rows[k], begin + k));
    writer->append(records);
    progress.set(begin + count);
  }
  meeting.wait();
  mpi::on_root(comm, [&] {
    writer->finish();
    finish_corpus(options, index);
    std::error_code ignored;
    fs::remove_all(options.output / kUnfinished, ignored);
  });
}

}  // namespace terramill::corpus
