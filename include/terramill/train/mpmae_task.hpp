#pragma once

#include <terramill/corpus/manifest.hpp>
#include <terramill/loader/loader.hpp>
#include <terramill/model/mpmae.hpp>
#include <terramill/mpi/communicator.hpp>
#include <terramill/train/pretrain_config.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace terramill::train {

/// Tiles that have each modality of the corpus's schema, from the index's column `present`. Collective; each
/// rank reads its share of the rows.
std::vector<std::uint64_t> tiles_per_modality(const mpi::Communicator& comm,
                                              const std::filesystem::path& corpus,
                                              const corpus::Manifest& manifest);

/// What MP-MAE needs of a corpus: which modalities to load, and how the model is shaped by them.
struct MpmaeSetup {
  std::vector<loader::Request> requests;  ///< the inputs first, then the targets in order
  std::size_t inputs = 1;                 ///< of the requests; their bands side by side are the input
  model::MpmaeConfig model;
  int image_size = 0;             ///< pixels of the crop
  std::vector<std::string> idle;  ///< modalities asked for by default that no tile has
};

/// Fits the configuration to a corpus. `tiles`: as tiles_per_modality gives it. UsageError when the corpus
/// lacks the input or a target named in the configuration, or its tiles are smaller than the crop or no whole
/// number of patches.
MpmaeSetup fit_to_corpus(const ModelOptions& options, const corpus::Manifest& manifest,
                         const std::vector<std::uint64_t>& tiles);

/// Makes the model's batch of a loaded micro-batch. Values are copied to `device` and converted to `dtype`.
/// The mask of a sample is drawn from Philox(seed, kMask, tile key, epoch and position): the same whoever
/// computes it. `blocks`: those of `loaded`, where they are tensors already (Staging::take).
model::MpmaeBatch make_batch(const loader::MicroBatch& loaded, const MpmaeSetup& setup, double mask_ratio,
                             std::uint64_t seed, std::uint64_t epoch, c10::Device device,
                             at::ScalarType dtype, std::vector<at::Tensor> blocks = {});

/// The total and every target's loss of a micro-batch.
std::vector<double> losses_of(const model::MpmaeOutput& output);

}  // namespace terramill::train
