#include "gdal.hpp"
#include "path_state.hpp"

#include <terramill/core/activity.hpp>
#include <terramill/geo/raster.hpp>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include <cpl_conv.h>
#include <cpl_string.h>
#include <gdalwarper.h>

namespace terramill::geo {
namespace {

/// GDAL 3.6 has no signed byte: such buffers are read as int16 and clipped.
template <typename T>
using Carrier = std::conditional_t<std::is_same_v<T, std::int8_t>, std::int16_t, T>;

template <typename T>
void clip(std::span<const std::int16_t> from, std::span<T> to) {
  std::ranges::transform(from, to.begin(), [](std::int16_t value) {
    return static_cast<T>(
        std::clamp<int>(value, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
  });
}

struct TransformerCloser {
  void operator()(void* transformer) const noexcept { GDALDestroyTransformer(transformer); }
};
using Transformer = std::unique_ptr<void, TransformerCloser>;

struct WarpOptionsCloser {
  void operator()(GDALWarpOptions* options) const noexcept { GDALDestroyWarpOptions(options); }
};

/// GDAL's text without the path, which is this machine's: the reason of a fault is the same wherever the
/// input lies.
std::string without_path(std::string text, const std::filesystem::path& path) {
  const std::string name = path.string();
  if (name.empty()) return text;
  for (const auto& [found, put] :
       {std::pair<std::string, std::string>{name + ": ", ""}, {name + ":", ""}, {name, "the file"}}) {
    for (auto at = text.find(found); at != std::string::npos; at = text.find(found, at + put.size())) {
      text.replace(at, found.size(), put);
    }
  }
  return text;
}

GDALResampleAlg algorithm(Resampling resampling) {
  switch (resampling) {
    case Resampling::kBilinear:
      return GRA_Bilinear;
    case Resampling::kMode:
      return GRA_Mode;
    case Resampling::kNearest:
      break;
  }
  return GRA_NearestNeighbour;
}

/// Pixel-to-pixel transformer between two datasets; where the CRS differ it is approximated to 0.05 target
/// pixels.
Transformer make_transformer(GDALDatasetH source, GDALDatasetH target, bool reproject) {
  char** options = nullptr;
  if (!reproject) {
    // Without this GDAL would look for reasons to reproject, such as equal CRS written differently.
    options = CSLSetNameValue(options, "SRC_SRS", "");
    options = CSLSetNameValue(options, "DST_SRS", "");
  }
  void* exact = GDALCreateGenImgProjTransformer2(source, target, options);
  CSLDestroy(options);
  if (exact == nullptr || !reproject) return Transformer(exact);
  void* approximate = GDALCreateApproxTransformer(GDALGenImgProjTransform, exact, 0.05);
  GDALApproxTransformerOwnsSubtransformer(approximate, TRUE);
  return Transformer(approximate);
}

}  // namespace

void Raster::Closer::operator()(void* dataset) const noexcept { GDALClose(dataset); }

Raster::Raster(void* dataset, std::filesystem::path path) : dataset_(dataset), path_(std::move(path)) {
  grid_.width = GDALGetRasterXSize(dataset);
  grid_.height = GDALGetRasterYSize(dataset);
  if (GDALGetGeoTransform(dataset, grid_.transform.data()) != CE_None) grid_.transform = {};
  grid_.crs = crs_text(GDALGetSpatialRef(dataset));
  bands_ = GDALGetRasterCount(dataset);
}

Raster::~Raster() = default;
Raster::Raster(Raster&&) noexcept = default;
Raster& Raster::operator=(Raster&&) noexcept = default;

Expected<Raster, RasterFault> Raster::open_once(const std::filesystem::path& path) {
  const Activity activity("open", path);
  const ErrorCapture errors;
  GDALDatasetH dataset =
      GDALOpenEx(path.c_str(), GDAL_OF_RASTER | GDAL_OF_READONLY, nullptr, nullptr, nullptr);
  if (dataset == nullptr) {
    const std::string text = errors.text("no raster format that GDAL knows");
    return Unexpected(RasterFault{path, "cannot be opened: " + without_path(text, path)});
  }
  beat();
  return Raster(dataset, path);
}

Expected<Raster, RasterFault> Raster::open(const std::filesystem::path& path) {
  init_gdal();
  auto raster = open_once(path);
  if (raster) return raster;
  if (look_past_gdal(path) == PathState::kMissing) {
    return Unexpected(RasterFault{path, "the file does not exist", true});
  }
  // The file system may have failed GDAL and answer again.
  return open_once(path);
}

template <typename F>
std::optional<RasterFault> Raster::attempt(F read) const {
  const Activity activity("read", path_);
  auto fault = read(*this);
  if (fault) {
    if (look_past_gdal(path_) == PathState::kMissing) {
      return RasterFault{path_, "the file does not exist", true};
    }
    const auto again = open_once(path_);
    fault = again ? read(*again) : std::optional(again.error());
  }
  beat();
  return fault;
}

std::optional<double> Raster::no_data(int band) const {
  int declared = 0;
  const double value = GDALGetRasterNoDataValue(GDALGetRasterBand(dataset_.get(), band), &declared);
  if (declared == 0) return std::nullopt;
  return value;
}

std::string Raster::band_name(int band) const {
  return GDALGetDescription(GDALGetRasterBand(dataset_.get(), band));
}

RasterFault Raster::gdal_fault(const std::string& what, const std::string& text) const {
  return {path_, what + ": " + without_path(text, path_)};
}

template <typename T>
std::optional<RasterFault> Raster::read(int band, Window window, std::span<T> out) const {
  if (band < 1 || band > bands_) return RasterFault{path_, "has no band " + std::to_string(band)};
  return read_bands<T>(&band, 1, window, out);
}

template <typename T>
std::optional<RasterFault> Raster::read_all(Window window, std::span<T> out) const {
  return read_bands<T>(nullptr, bands_, window, out);
}

template <typename T>
std::optional<RasterFault> Raster::read_bands(int* list, int count, Window window, std::span<T> out) const {
  if (window.column < 0 || window.row < 0 || window.column + window.width > grid_.width ||
      window.row + window.height > grid_.height) {
    return RasterFault{path_, "is smaller than the window that is read"};
  }
  if constexpr (!std::is_same_v<Carrier<T>, T>) {
    std::vector<Carrier<T>> wide(out.size());
    if (auto fault = read_bands<Carrier<T>>(list, count, window, wide)) return fault;
    clip<T>(wide, out);
    return std::nullopt;
  } else {
    return attempt([&](const Raster& raster) -> std::optional<RasterFault> {
      const ErrorCapture errors;
      const CPLErr status = GDALDatasetRasterIO(raster.dataset_.get(), GF_Read, window.column, window.row,
                                                window.width, window.height, out.data(), window.width,
                                                window.height, gdal_type<T>(), count, list, 0, 0, 0);
      if (status == CE_None && !errors.failed()) return std::nullopt;
      return raster.gdal_fault("cannot be read (truncated?)", errors.text("GDAL gave no reason"));
    });
  }
}

template <typename T>
std::optional<RasterFault> Raster::read_onto(int band, const Grid& target, Resampling resampling, double fill,
                                             std::span<T> out, std::optional<double> source_no_data) const {
  if constexpr (!std::is_same_v<Carrier<T>, T>) {
    std::vector<Carrier<T>> wide(out.size());
    if (auto fault = read_onto<Carrier<T>>(band, target, resampling, fill, wide, source_no_data))
      return fault;
    clip<T>(wide, out);
    return std::nullopt;
  } else {
    return attempt([&](const Raster& raster) {
      return raster.warp_onto<T>(band, target, resampling, fill, out, source_no_data);
    });
  }
}

template <typename T>
std::optional<RasterFault> Raster::warp_onto(int band, const Grid& target, Resampling resampling, double fill,
                                             std::span<T> out, std::optional<double> source_no_data) const {
  const bool reproject = !grid_.crs.empty() && !target.crs.empty() && grid_.crs != target.crs;
  const Dataset image = create_in_memory(target.width, target.height, 1, gdal_type<T>());
  const ErrorCapture errors;
  const auto fault = [&](const char* what) { return gdal_fault(what, errors.text("GDAL gave no reason")); };
  auto transform = target.transform;
  const SpatialReference reference = spatial_reference(reproject ? target.crs : "");
  if (GDALSetGeoTransform(image.get(), transform.data()) != CE_None ||
      (reference && GDALSetSpatialRef(image.get(), reference.get()) != CE_None)) {
    return fault("cannot be resampled");
  }
  const Transformer transformer = make_transformer(dataset_.get(), image.get(), reproject);
  if (!transformer) return fault("cannot be placed on the target grid");

  const std::unique_ptr<GDALWarpOptions, WarpOptionsCloser> options(GDALCreateWarpOptions());
  options->eResampleAlg = algorithm(resampling);
  options->hSrcDS = dataset_.get();
  options->hDstDS = image.get();
  options->nBandCount = 1;
  options->panSrcBands = static_cast<int*>(CPLMalloc(sizeof(int)));
  options->panDstBands = static_cast<int*>(CPLMalloc(sizeof(int)));
  options->panSrcBands[0] = band;
  options->panDstBands[0] = 1;
  options->pTransformerArg = transformer.get();
  options->pfnTransformer = reproject ? GDALApproxTransform : GDALGenImgProjTransform;
  if (!source_no_data) source_no_data = no_data(band);
  if (source_no_data) {
    options->padfSrcNoDataReal = static_cast<double*>(CPLMalloc(sizeof(double)));
    options->padfSrcNoDataReal[0] = *source_no_data;
  }
  options->papszWarpOptions =
      CSLSetNameValue(options->papszWarpOptions, "INIT_DEST", CPLSPrintf("%.17g", fill));

  GDALWarpOperationH operation = GDALCreateWarpOperation(options.get());
  if (operation == nullptr) return fault("cannot be resampled");
  const CPLErr warped = GDALChunkAndWarpImage(operation, 0, 0, target.width, target.height);
  GDALDestroyWarpOperation(operation);
  if (warped != CE_None || errors.failed()) return fault("cannot be read (truncated?)");
  if (GDALRasterIO(GDALGetRasterBand(image.get(), 1), GF_Read, 0, 0, target.width, target.height, out.data(),
                   target.width, target.height, gdal_type<T>(), 0, 0) != CE_None) {
    return fault("cannot be resampled");
  }
  return std::nullopt;
}

#define TERRAMILL_RASTER(T)                                                                      \
  template std::optional<RasterFault> Raster::read<T>(int, Window, std::span<T>) const;          \
  template std::optional<RasterFault> Raster::read_all<T>(Window, std::span<T>) const;           \
  template std::optional<RasterFault> Raster::read_onto<T>(int, const Grid&, Resampling, double, \
                                                           std::span<T>, std::optional<double>) const;
TERRAMILL_RASTER(std::uint8_t)
TERRAMILL_RASTER(std::int8_t)
TERRAMILL_RASTER(std::uint16_t)
TERRAMILL_RASTER(std::int16_t)
TERRAMILL_RASTER(std::int32_t)
TERRAMILL_RASTER(float)
TERRAMILL_RASTER(double)
#undef TERRAMILL_RASTER

}  // namespace terramill::geo
