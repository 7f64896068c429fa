#pragma once

#include <terramill/eval/feature_model.hpp>
#include <terramill/mpi/communicator.hpp>
#include <terramill/sampling/plan.hpp>

#include <filesystem>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace terramill::eval {

/// How tiles are loaded for features. The types are those of OptionTable.
struct ExtractionOptions {
  int batch_size = 32;  ///< tiles computed at once; part of what defines the result's last bits
  int threads = 2;      ///< of the loader, per rank
};

/// Features of tiles, [N, d] float32, in their order and equal on every rank. Batches are cut by position in
/// `tiles`, and each rank computes a contiguous run of them, so the bits do not depend on the number of
/// ranks. `title` precedes the progress and the log line with tiles per second. IntegrityError for an
/// unreadable tile. Collective.
at::Tensor extract_features(const mpi::Communicator& comm, const FeatureModel& model, Pooling pooling,
                            const std::filesystem::path& corpus,
                            const std::vector<sampling::PlanEntry>& tiles, const ExtractionOptions& options,
                            const std::string& title);

/// Mean and standard deviation of each band over a tile's valid pixels, [N, 2 bands] float64, for the same
/// bands, windows and normalisation as the model's input; NaN where a tile has no valid pixel. Collective.
at::Tensor extract_band_statistics(const mpi::Communicator& comm, const FeatureModel& model,
                                   const std::filesystem::path& corpus,
                                   const std::vector<sampling::PlanEntry>& tiles,
                                   const ExtractionOptions& options);

/// Each column minus its mean over the rows `known`, divided by its standard deviation there (1 where that is
/// 0); NaN becomes 0.
at::Tensor z_score(const at::Tensor& columns, const std::vector<std::int64_t>& known);

}  // namespace terramill::eval
