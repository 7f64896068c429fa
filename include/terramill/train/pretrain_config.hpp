#pragma once

#include <terramill/core/options.hpp>
#include <terramill/loader/loader.hpp>
#include <terramill/sampling/plan.hpp>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace terramill::train {

/// `[model]` of a configuration: an MP-MAE. Names and defaults are those of MMEarth-train (docs/fidelity.md
/// tells each default's origin).
struct ModelOptions {
  std::string family = "mpmae";
  std::string size = "atto";  ///< atto, femto, pico, nano, tiny, base, large, huge
  std::string depths, dims;   ///< four numbers each, in place of a size's; empty: those of `size`
  int image_size = 0;         ///< pixels of the random crop; 0: the whole tile
  int patch_size = 8;         ///< pixels
  std::string input;          ///< modality; empty: sentinel2, s2_l2a or s2_l1c, the first that the corpus has
  std::string input_bands;    ///< comma-separated; empty: every band, without B10 of sentinel2
  std::string targets;        ///< modalities to reconstruct; empty: all that the corpus has
  int decoder_width = 512, decoder_depth = 1;
  double mask_ratio = 0.6;
  bool norm_pix = true;
  std::string aggregation = "uncertainty";  ///< or "unweighted"
  std::string missing = "skip";             ///< "skip", "mask" or "reference"
  bool use_orig_stem = false;
};

/// `[train]`: the recipe and how it is run.
struct TrainOptions {
  int micro_batch_size = 16;  ///< tiles
  int micro_batches = 4;      ///< per global batch
  double epochs = 200;
  std::int64_t steps = 0;  ///< in place of epochs, when > 0
  double warmup_epochs = 40;
  std::int64_t warmup_steps = -1;  ///< in place of warmup_epochs, when >= 0
  double base_lr = 1.5e-4;         ///< per 256 tiles of the global batch
  double lr = 0;                   ///< absolute, in place of base_lr, when > 0
  double min_lr = 0;
  double beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, weight_decay = 0.05;
  std::int64_t seed = 0;
  std::string precision = "float32";  ///< or "float64"
  std::string reduction = "exact";
  std::string device = "auto";
  int intra_op_threads = 1;         ///< of LibTorch, per rank
  std::int64_t stop_after = 0;      ///< end with a checkpoint after this step, when > 0; the schedule stays
  std::int64_t validate_every = 0;  ///< steps; 0: at the end only
  std::int64_t validation_tiles = 1024;
};

struct CheckpointOptions {
  std::int64_t every = 500;  ///< steps; 0: at the end only
  int keep = 3;
};

struct PretrainConfig {
  std::string corpus, output;
  bool resume = false;
  std::string init_from;
  std::string plan;  ///< replay this plan file in every epoch
  ModelOptions model;
  TrainOptions train;
  CheckpointOptions checkpoint;
  loader::LoaderOptions loader;
  sampling::SamplingOptions sampling;
};

/// Declares every option of `pretrain`.
void add_options(OptionTable& table, PretrainConfig& config);

/// The options that determine the result: all but those that say where and how a run happens. A checkpoint
/// keeps them, and a resume with others is refused.
std::vector<std::pair<std::string, std::string>> hyper_parameters(const OptionTable& table);

/// UsageError, naming option and value, for a value out of its range.
void validate(const PretrainConfig& config);

}  // namespace terramill::train
