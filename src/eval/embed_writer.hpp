#pragma once

#include <terramill/core/json.hpp>
#include <terramill/corpus/tile.hpp>
#include <terramill/geo/grid.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace terramill::eval {

/// What a file of features says before its first row.
struct FeatureFileHead {
  std::uint64_t rows = 0;
  std::vector<std::int64_t> shape;  ///< of a row: [d], or [d, h, w]
  std::string model;                ///< weights_hash, hexadecimal
  bool labelled = false;
  Json about;  ///< model, pooling and corpus
};

/// Consecutive rows: a tile's record, the pixels that its features are of, and the features.
struct FeatureRows {
  std::vector<corpus::TileRecord> records;
  std::vector<geo::Grid> windows;
  std::vector<float> values;  ///< [rows, shape]
};

/// A file under its temporary name, which goes with the scope unless it is published.
class PendingFile {
 public:
  explicit PendingFile(std::filesystem::path path) : path_(std::move(path)) {}
  ~PendingFile();
  PendingFile(const PendingFile&) = delete;
  PendingFile& operator=(const PendingFile&) = delete;

  const std::filesystem::path& path() const noexcept { return path_; }
  std::filesystem::path temporary() const;
  /// Syncs it and gives it its own name.
  void publish();

 private:
  std::filesystem::path path_;
  bool published_ = false;
};

/// Writes a file of features row by row. The bytes depend on the rows alone, not on how they are cut into
/// calls. Throws LibraryError or IoError with the path.
class FeatureWriter {
 public:
  virtual ~FeatureWriter() = default;
  virtual void append(const FeatureRows& rows) = 0;
  /// Completes the file and gives it its name.
  virtual void finish() = 0;
};

/// By the path's extension: .parquet, .h5 or .hdf5. UsageError for another one, for dense features in
/// Parquet, or where this build has no Parquet.
std::unique_ptr<FeatureWriter> open_feature_writer(const std::filesystem::path& path,
                                                   const FeatureFileHead& head);
/// The same checks without creating the file; `axes`: of a row's shape.
void check_feature_path(const std::filesystem::path& path, std::size_t axes);

std::unique_ptr<FeatureWriter> open_parquet(const std::filesystem::path& path, const FeatureFileHead& head);
std::unique_ptr<FeatureWriter> open_hdf5(const std::filesystem::path& path, const FeatureFileHead& head);
/// Whether this build can write Parquet.
bool have_parquet() noexcept;

/// A feature's place: well-known binary (OGC 06-103r4) of the window's footprint in longitude and latitude,
/// counter-clockwise; the tile's centre as a point where the window's position is unknown or crosses the
/// antimeridian; empty where neither is known.
struct Geometry {
  std::string wkb;
  const char* type = "";             ///< "Polygon", "Point" or ""
  std::vector<geo::LonLat> corners;  ///< of the polygon, or the point
};
Geometry geometry_of(const corpus::TileRecord& record, const geo::Grid& window);

}  // namespace terramill::eval
