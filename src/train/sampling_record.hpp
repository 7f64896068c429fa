#pragma once

#include <terramill/corpus/manifest.hpp>
#include <terramill/mpi/communicator.hpp>
#include <terramill/sampling/plan.hpp>

#include <filesystem>

namespace terramill::train {

/// Rank 0 writes RUN/sampling.json, what the report draws of an epoch's plan:
///
///     {"tiles": positions of the epoch, "class_names": [12], "classes_before": [12] eligible tiles,
///      "classes_after": [12] positions, "positions": [[lon, lat], …] of at most 20,000 positions, evenly
///      spaced}
///
/// by dominant land-cover class. A tile without a location has no entry in "positions". Collective.
void write_sampling_record(const mpi::Communicator& comm, const std::filesystem::path& run,
                           const std::filesystem::path& corpus, const corpus::Manifest& manifest,
                           const sampling::Plan& plan);

}  // namespace terramill::train
