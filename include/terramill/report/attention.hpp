#pragma once

#include <terramill/eval/feature_model.hpp>
#include <terramill/report/pictures.hpp>

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace terramill::report {

/// What a transformer's last block attends to in one tile.
struct AttendedTile {
  std::string tile_id;
  Picture image;               ///< the window that the model sees
  Picture mean;                ///< over the heads
  std::vector<Picture> heads;  ///< one each
};

/// `heat` [rows, columns] over the whole picture: enlarged bilinearly, coloured from dark blue (the least)
/// over green to yellow (the most), and mixed with the picture.
Picture draw_heat(const Picture& under, std::span<const float> heat, int rows, int columns);

/// The last block's attention of the class token to the patches of these index rows, over the optical input
/// where there is one. UsageError for a model without attention; otherwise as Loader.
std::vector<AttendedTile> draw_attention(const eval::FeatureModel& model, const std::filesystem::path& corpus,
                                         std::span<const std::uint64_t> rows);

}  // namespace terramill::report
