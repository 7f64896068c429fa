#pragma once

#include <terramill/core/expected.hpp>
#include <terramill/geo/grid.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace terramill::geo {

/// Why a raster could not be opened or read: a recoverable data fault.
struct RasterFault {
  std::string file;
  std::string reason;    ///< what GDAL said, without the path
  bool missing = false;  ///< there is no such file
};

enum class Resampling { kNearest, kBilinear, kMode };

/// A rectangle of pixels.
struct Window {
  int column = 0, row = 0, width = 0, height = 0;
};

/// A raster file open for reading through GDAL. Belongs to one thread at a time; threads that read the same
/// file each open their own. Element types T: uint8_t, int8_t, uint16_t, int16_t, int32_t, float, double;
/// GDAL converts to T, rounding and clipping (NaN becomes 0 in integers).
///
/// A fault is the file's own. Where GDAL fails, the file is read once more past it: opening and reading throw
/// IoError when it is the file system that fails (EIO, ESTALE, too many open files …). They are activities
/// and beats (core/activity.hpp).
class Raster {
 public:
  /// The fault says whether the file is missing, truncated or of no known format. Registers GDAL's drivers on
  /// first use.
  static Expected<Raster, RasterFault> open(const std::filesystem::path& path);
  ~Raster();
  Raster(Raster&&) noexcept;
  Raster& operator=(Raster&&) noexcept;

  const std::filesystem::path& path() const noexcept { return path_; }
  const Grid& grid() const noexcept { return grid_; }
  int bands() const noexcept { return bands_; }
  /// The no-data value that the file declares; bands count from 1.
  std::optional<double> no_data(int band) const;
  /// The band's description, empty without one.
  std::string band_name(int band) const;

  /// Reads a window of one band (from 1), row-major, into `out` of window.width * window.height elements.
  template <typename T>
  [[nodiscard]] std::optional<RasterFault> read(int band, Window window, std::span<T> out) const;
  /// Reads the same window of all bands as [bands, height, width].
  template <typename T>
  [[nodiscard]] std::optional<RasterFault> read_all(Window window, std::span<T> out) const;
  /// Resamples one band onto `target`, which may have another resolution, origin or CRS: [target.height,
  /// target.width]. Pixels outside the raster, or no-data in it, become `fill`; `source_no_data` overrides
  /// what the file declares.
  template <typename T>
  [[nodiscard]] std::optional<RasterFault> read_onto(int band, const Grid& target, Resampling resampling,
                                                     double fill, std::span<T> out,
                                                     std::optional<double> source_no_data = {}) const;

 private:
  struct Closer {
    void operator()(void* dataset) const noexcept;
  };
  Raster(void* dataset, std::filesystem::path path);
  static Expected<Raster, RasterFault> open_once(const std::filesystem::path& path);
  /// Runs read(raster) on this raster, and where GDAL fails, once more on the file opened anew.
  template <typename F>
  std::optional<RasterFault> attempt(F read) const;
  RasterFault gdal_fault(const std::string& what, const std::string& text) const;
  /// `list`: `count` bands from 1; null: all in order.
  template <typename T>
  std::optional<RasterFault> read_bands(int* list, int count, Window window, std::span<T> out) const;
  template <typename T>
  std::optional<RasterFault> warp_onto(int band, const Grid& target, Resampling resampling, double fill,
                                       std::span<T> out, std::optional<double> source_no_data) const;

  std::unique_ptr<void, Closer> dataset_;
  std::filesystem::path path_;
  Grid grid_;
  int bands_ = 0;
};

/// Registers GDAL's drivers and bounds its block cache, once per process; every function of this room calls
/// it.
void init_gdal();
/// "GDAL 3.6.2".
std::string gdal_version();

}  // namespace terramill::geo
