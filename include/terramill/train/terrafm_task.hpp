#pragma once

#include <terramill/corpus/manifest.hpp>
#include <terramill/loader/loader.hpp>
#include <terramill/model/terrafm.hpp>
#include <terramill/train/pretrain_config.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace terramill::train {

/// Where one sensor's bands come from in loaded tiles.
struct SensorSource {
  model::Sensor sensor = model::Sensor::kS1;
  std::size_t request = 0;  ///< of TerrafmSetup::requests
  /// Per band of the stem the channel of the request's block, or -1: the band is 0, the mean.
  std::vector<int> channels;
  /// Where not empty, the channels that stand in for `channels` in a tile that lacks all of those: the second
  /// orbit of MMEarth's Sentinel-1.
  std::vector<int> second;
  /// Whether only tiles of this product count: MMEarth's Sentinel-2 is L1C or L2A by tile.
  corpus::S2Type product = corpus::S2Type::kNone;
};

/// What TerraFM needs of a corpus.
struct TerrafmSetup {
  std::vector<loader::Request> requests;
  std::vector<SensorSource> sources;
  model::TerrafmConfig model;     ///< drop path of the student included
  int window = 0;                 ///< pixels of a tile
  std::vector<std::string> idle;  ///< sensors that no tile has
  /// S2Type per index row, where a source asks for the product; else null.
  std::shared_ptr<const std::vector<std::uint8_t>> products;
};

/// Fits TerraFM to a corpus: schema majortom (s1_rtc, s2_l2a, s2_l1c) or mmearth (sentinel1: VV and VH of the
/// first orbit present; sentinel2 by the tile's product). `tiles`: as tiles_per_modality gives it. UsageError
/// when the corpus has no sensor, or lacks one that the configuration names.
TerrafmSetup fit_terrafm(const PretrainConfig& config, const corpus::Manifest& manifest,
                         const std::vector<std::uint64_t>& tiles);

/// Whole tiles as the encoder takes them: missing values are 0, the mean; `present` says which sensors each
/// tile has. A sensor that no tile of the micro-batch has is undefined; a tile without any sensor is given
/// one of zeros, the first of the micro-batch's. `blocks`: those of `loaded`, where they are tensors already
/// (Staging::take).
model::SensorImages sensor_images(const loader::MicroBatch& loaded, const TerrafmSetup& setup,
                                  c10::Device device, at::ScalarType dtype,
                                  std::vector<at::Tensor> blocks = {});

}  // namespace terramill::train
