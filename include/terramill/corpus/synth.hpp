#pragma once

#include <terramill/core/json.hpp>
#include <terramill/corpus/tile.hpp>
#include <terramill/corpus/world.hpp>
#include <terramill/geo/grid.hpp>
#include <terramill/mpi/communicator.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace terramill::corpus {

/// Raw tiles carry this many pixels more on each side than the tiles cut from them, as the official ones do.
inline constexpr int kRawMargin = 1;
/// The file of a raw folder which says that its tiles are invented; it holds the options they were made with.
inline constexpr const char* kSyntheticFile = "SYNTHETIC.txt";
/// The key of an invented tile's entry in tile_info.json, with the value true. The official tools ignore it.
inline constexpr const char* kSyntheticKey = "SYNTHETIC";

/// An invented tile in the form of MMEarth's raw files.
struct RawTile {
  geo::Grid grid;                       ///< size + 2 kRawMargin pixels of 10 m on each side, in UTM
  std::vector<std::string> band_names;  ///< as the tile's entry lists them, group by group
  std::vector<float> values;            ///< [bands, grid.height, grid.width]
};

/// Paints the pixels of invented tiles. Holds scratch memory: one per thread.
class TilePainter {
 public:
  explicit TilePainter(const World& world);
  ~TilePainter();
  TilePainter(TilePainter&&) noexcept;
  /// Tile i; valid until the next call. Depends on the world's options and i alone.
  const RawTile& paint(std::uint64_t i);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Tile i's entry in tile_info.json (spec: MMEarth's tile_info.json), with kSyntheticKey.
Json invented_tile_info(const World& world, std::uint64_t i);
/// Tile i's row of an index: as a corpus built from the raw tiles would have it, but for land cover, cloud
/// and canopy, which are estimated. `shard`, `row` and `split` are left to the caller.
TileRecord invented_record(const World& world, Surveyor& surveyor, std::uint64_t i);

/// What `terramill corpus synth` makes.
struct SynthOptions {
  WorldOptions world;
  std::filesystem::path output;
  std::uint64_t tiles = 0;
  int threads = 1;
  bool compress = false;                        ///< raw tiles: deflate them
  double validation_share = 0, test_share = 0;  ///< index only: of locations, by spatial block
};

/// How many raw tiles were written, and how many were there already.
struct SynthSummary {
  std::uint64_t written = 0, kept = 0;
};

/// Writes a raw folder: merged/<tile_id>.tif, data_synthetic_v001_tile_info.json, SYNTHETIC.txt. Each rank
/// paints a contiguous range; the bytes do not depend on ranks or threads. Tiles that are there are kept, and
/// a folder may be extended by more tiles of the same world. Collective. UsageError when the folder belongs
/// to another world or to real tiles; IoError.
SynthSummary write_invented_tiles(const mpi::Communicator& comm, const SynthOptions& options);

/// Writes a corpus that is an index only: index.h5 and manifest.json. Memory does not grow with the number of
/// tiles. Collective. UsageError when the folder holds a corpus already; IoError.
void write_invented_index(const mpi::Communicator& comm, const SynthOptions& options);

}  // namespace terramill::corpus
