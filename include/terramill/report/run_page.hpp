#pragma once

#include <terramill/report/reconstruction.hpp>
#include <terramill/report/run_record.hpp>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace terramill::report {

/// Pictures of one tile, each with what it shows.
struct PicturedTile {
  std::string tile_id;
  std::vector<std::pair<std::string, Picture>> pictures;
};

/// What a page shows of the corpus's tiles; each may be empty.
struct TilePictures {
  std::vector<ReconstructedTile> reconstructed;
  std::vector<PicturedTile> attended;
};

/// Writes `output`/index.html: one file that holds everything it shows, pictures too, and fetches nothing.
/// Its sections, each left out where the run has no data for it: key numbers, run, losses, targets, knn,
/// optimisation, speed, sampling, reconstructions (from `tiles`), attention, configuration, files. Charts and
/// pictures are written beside it as well, as SVG files and below `output`/tiles as PNG files. Returns the
/// sections' ids in order. IoError when the page cannot be written.
std::vector<std::string> write_run_page(const RunRecord& run, const TilePictures& pictures,
                                        const std::filesystem::path& output);

}  // namespace terramill::report
