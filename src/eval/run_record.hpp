#pragma once

#include <terramill/checkpoint/reader.hpp>
#include <terramill/corpus/manifest.hpp>
#include <terramill/corpus/statistics.hpp>
#include <terramill/eval/feature_model.hpp>
#include <terramill/loader/request.hpp>
#include <terramill/train/pretrain_config.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <torch/nn/module.h>

namespace terramill::eval {

/// A run on disk and the checkpoint to take of it.
struct RunRecord {
  std::filesystem::path folder;
  train::PretrainConfig config;
  std::unique_ptr<checkpoint::Reader> checkpoint;  ///< null: the weights are not wanted
};

/// `path`: a run's or a checkpoint's folder. UsageError where it is neither, or a run without a checkpoint.
/// Collective.
RunRecord open_run(const std::filesystem::path& path, bool with_weights, const mpi::Communicator& comm);

/// Copies every parameter of `module` from the tensor `prefix` + its name. FormatError naming what is missing
/// or has another shape.
void load_parameters(const checkpoint::Reader& checkpoint, const std::string& prefix,
                     torch::nn::Module& module);

/// xxh3 over names and float32 values of the parameters, in their order.
std::uint64_t hash_parameters(const torch::nn::Module& module);

/// The run's band statistics for the requested modalities of another corpus, by the corpus's keys and in its
/// order of bands: those of the modality of the same name, or of the same Sentinel-2 product in the other
/// schema. `trained_on`: names of the run's modalities. What the run has not measured stays the corpus's own,
/// and the log says so.
corpus::StatisticsTable fit_statistics(const RunRecord& run, const std::vector<std::string>& trained_on,
                                       const std::vector<loader::Request>& requests,
                                       const std::filesystem::path& corpus, const corpus::Manifest& manifest);

/// Edge of the centred window: `wanted`, or as much of the tile as has whole patches. UsageError where it
/// does not fit.
int fit_window(int wanted, int patch_size, const corpus::Schema& schema);

std::unique_ptr<FeatureModel> open_mpmae(const FeatureModelOptions& options, const RunRecord& run,
                                         const std::filesystem::path& corpus, const mpi::Communicator& comm);
std::unique_ptr<FeatureModel> open_terrafm(const FeatureModelOptions& options, const RunRecord& run,
                                           const std::filesystem::path& corpus,
                                           const mpi::Communicator& comm);

}  // namespace terramill::eval
