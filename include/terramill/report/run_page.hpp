#pragma once

#include <terramill/report/reconstruction.hpp>

#include <filesystem>
#include <vector>

namespace terramill::report {

/// Writes `output`/index.html with charts of RUN/metrics.jsonl (also as SVG files of their own) and, where
/// given, pictures of reconstructed tiles (PNG files below `output`/tiles). Nothing is fetched from elsewhere
/// when it is opened. UsageError when `run` is no run folder; IoError when the page cannot be written.
void write_run_page(const std::filesystem::path& run, const std::vector<ReconstructedTile>& tiles,
                    const std::filesystem::path& output);

}  // namespace terramill::report
