#pragma once

#include <terramill/corpus/scene.hpp>
#include <terramill/eval/feature_model.hpp>
#include <terramill/geo/grid.hpp>
#include <terramill/mpi/communicator.hpp>

#include <cstdint>
#include <filesystem>

namespace terramill::eval {

/// A map of dense features of a whole scene.
struct SceneOptions {
  std::filesystem::path output;  ///< a Cloud Optimized GeoTIFF
  int stride = 0;                ///< pixels between windows, a multiple of the patch size; 0: half a window
  int components = 0;            ///< write so many principal components in place of all features, when > 0
  int micro_batch_size = 4;      ///< windows that a rank computes at once
  int intra_op_threads = 1;      ///< of LibTorch, per rank
};

struct SceneSummary {
  std::uint64_t windows = 0;
  std::uint64_t patches = 0, empty_patches = 0;  ///< of the map; empty: no valid pixel in the scene
  geo::Grid grid;                                ///< of the map: a pixel per patch
  int bands = 0;
  std::vector<double> explained;  ///< share of the variance, per principal component
};

/// The edge in pixels of the windows in which a scene is computed: `wanted`, or 224 or as much as the scene
/// has, in whole patches. UsageError where the scene is smaller than a patch or `wanted` does not fit.
int scene_window(int wanted, int patch_size, const geo::Grid& scene);

/// Opens an encoder for a scene as open_feature_model does for a corpus of windows. `beside`: where a small
/// folder that describes the scene is made meanwhile; on a file system that all ranks see. Collective.
std::unique_ptr<FeatureModel> open_scene_model(const FeatureModelOptions& options,
                                               const corpus::RasterScene& scene,
                                               const std::filesystem::path& beside,
                                               const mpi::Communicator& comm);

/// Computes patch features in overlapping windows and writes their mean, weighted in each window by sin^2 of
/// the distance from its edge, so that no seams appear. The map has a pixel per patch and the scene's
/// georeferencing; what remains right and below of whole patches is left out; patches without a valid pixel
/// are no-data (NaN). Equal bytes for any number of ranks; rank 0 holds the map in memory. Collective.
SceneSummary embed_scene(const mpi::Communicator& comm, const FeatureModel& model, corpus::RasterScene& scene,
                         const SceneOptions& options);

}  // namespace terramill::eval
