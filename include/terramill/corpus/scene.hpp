#pragma once

#include <terramill/corpus/schema.hpp>
#include <terramill/corpus/source.hpp>
#include <terramill/corpus/tile.hpp>
#include <terramill/geo/grid.hpp>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace terramill::corpus {

/// A raster scene of any size, read window by window as the tiles of a corpus are. Belongs to one thread.
class RasterScene {
 public:
  /// A place of a folder that a mapping describes (SourceOptions of the kind "geotiff"); `tile_size` is the
  /// window's edge. `place`: its id; empty where the folder has one place alone. Modalities that the mapping
  /// finds by position are left out. UsageError with the ids where the place is not clear; otherwise as
  /// open_source, and FormatError where a raster cannot be read.
  static RasterScene open_mapped(const SourceOptions& options, const std::string& place);
  /// One file with all bands of `modality`, a pixel modality of schema `majortom`. `bands`: its names in the
  /// file's order, "-" for one that is not wanted; empty: the file's own band descriptions, of which others
  /// are left out. "B04" stands for B4. Values are taken as they are. UsageError where a band is unknown or
  /// their number is not the file's.
  static RasterScene open_raster(const std::filesystem::path& file, const std::string& modality,
                                 const std::vector<std::string>& bands, int window);
  ~RasterScene();
  RasterScene(RasterScene&&) noexcept;
  RasterScene& operator=(RasterScene&&) noexcept;

  const std::string& id() const noexcept;
  const std::string& date() const noexcept;  ///< "YYYY-MM-DD", or empty
  /// Of the whole scene.
  const geo::Grid& grid() const noexcept;
  /// With tiles of the window's size.
  const Schema& schema() const noexcept;
  /// Bit m: the scene has files of modality m of the schema.
  std::uint32_t present() const noexcept;

  /// Reads windows of `edge` x `edge` pixels from now on. UsageError where the scene is smaller.
  void set_window(int edge);
  /// The window whose upper left pixel is (column, row), as a tile. UsageError when it leaves the scene,
  /// FormatError when a raster cannot be read.
  Tile read(int column, int row);

 private:
  struct State;
  explicit RasterScene(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace terramill::corpus
