#pragma once

#include "page.hpp"
#include "svg.hpp"

#include <terramill/report/run_page.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace terramill::report {

/// The sections of a run's page; each adds nothing where the run has no data for it.

/// losses, targets, knn, optimisation, speed.
void add_curves(Page& page, const RunRecord& run);
/// Map of the sampled tiles and land-cover classes before and after sampling.
void add_sampling(Page& page, const RunRecord& run);
void add_reconstructions(Page& page, const std::vector<ReconstructedTile>& tiles);
void add_attention(Page& page, const std::vector<PicturedTile>& tiles);
/// Every option with value and origin.
void add_configuration(Page& page, const RunRecord& run);
/// The run's records, inside the page where they are small.
void add_files(Page& page, const RunRecord& run, const std::filesystem::path& output);

/// A whole number with all its digits, in groups of three.
std::string exact(double value);
/// Seconds as "3 min 20 s", "5 h 12 min", "2 d 3 h".
std::string duration(double seconds);

}  // namespace terramill::report
