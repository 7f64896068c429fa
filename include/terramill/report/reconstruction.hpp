#pragma once

#include <terramill/report/pictures.hpp>
#include <terramill/train/pretrain_config.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace terramill::report {

/// One pixel modality of one tile: what is there, and what the model makes of the visible patches.
struct ReconstructedModality {
  std::string name;
  Picture truth;
  Picture prediction;  ///< of the removed patches; visible ones are the truth in the input's modality, grey
                       ///< in others
};

struct ReconstructedTile {
  std::string tile_id;
  Picture visible;  ///< the input, removed patches in grey
  std::vector<ReconstructedModality> modalities;
};

/// Reconstructs `count` tiles of the configuration's corpus with the newest checkpoint of the run in
/// config.output: tiles of the validation split where there is one, evenly spaced, centred, masked as in
/// validation. Predictions of per-patch normalised reflectance are given the truth's mean and spread per
/// patch, as is usual for masked autoencoders. IoError, FormatError or UsageError when corpus or run cannot
/// be read or do not fit.
std::vector<ReconstructedTile> reconstruct(const train::PretrainConfig& config, int count);
/// The same of these rows of the index.
std::vector<ReconstructedTile> reconstruct(const train::PretrainConfig& config,
                                           const std::vector<std::uint64_t>& rows);

/// Up to `count` index rows, evenly spaced over the validation split, or over all tiles where it is empty.
std::vector<std::uint64_t> rows_to_show(const std::filesystem::path& corpus, int count);

}  // namespace terramill::report
