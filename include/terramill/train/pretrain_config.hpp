#pragma once

#include <terramill/core/options.hpp>
#include <terramill/fault/guard.hpp>
#include <terramill/fault/process.hpp>
#include <terramill/loader/loader.hpp>
#include <terramill/sampling/plan.hpp>

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace terramill::train {

/// `[model]` of a configuration. Names and defaults of MP-MAE are those of MMEarth-train (docs/fidelity.md
/// tells each default's origin); where TerraFM's differ, defaults_of() gives them.
struct ModelOptions {
  std::string family = "mpmae";  ///< or "terrafm", which takes family, size, image_size and patch_size alone
  std::string size = "atto";     ///< atto, femto, pico, nano, tiny, base, large, huge; small, base, large
  std::string depths, dims;      ///< four numbers each, in place of a size's; empty: those of `size`
  int image_size = 0;            ///< pixels of the random crop, 0: the whole tile; of the global crops
  int patch_size = 8;            ///< pixels
  /// `[input]`, `[target]` and `[weight]`: per modality its bands, comma-separated, or "all"; and the factor
  /// of its loss. Empty texts choose nothing. No input chosen: all of sentinel2, s2_l2a or s2_l1c, the first
  /// that the corpus has; several are put side by side. No target chosen: all that the corpus has. "all" of
  /// sentinel2 is without B10.
  std::map<std::string, std::string> input, target;
  std::map<std::string, double> weight;
  int decoder_width = 512, decoder_depth = 1;
  double mask_ratio = 0.6;
  bool norm_pix = true;
  std::string aggregation = "uncertainty";  ///< or "unweighted"
  std::string missing = "skip";             ///< "skip", "mask" or "reference"
  bool use_orig_stem = false;
};

/// `[terrafm]`: the encoder and its input.
struct TerrafmOptions {
  int embed_dim = 0, depth = 0, heads = 0;  ///< in place of the size's, where not 0
  double drop_path = 0.1;                   ///< of the student's last block
  int fusion_queries = 5, fusion_heads = 16;
  std::string sensors;  ///< s1, s2_l2a, s2_l1c; empty: all that the corpus has
  /// "sensor": the stem of the product; "l1c": the official forward's default, L1C's for all of Sentinel-2.
  std::string s2_stem = "sensor";
};

/// `[dino]`: self-distillation (spec/terrafm.md, b).
struct DinoOptions {
  int hidden_dim = 2048, bottleneck_dim = 256, out_dim = 65536;
  bool norm_last_layer = true;
  int local_crops = 8, local_size = 96;                                            ///< pixels
  double global_scale_min = 0.25, local_scale_min = 0.05, local_scale_max = 0.25;  ///< shares of the area
  bool vertical_flip = false, rotate = false;
  double sensor_probability = 0.5;  ///< of each sensor in each view
  double student_temperature = 0.1, teacher_temperature_start = 0.04, teacher_temperature = 0.06;
  int teacher_temperature_epochs = 30;
  double teacher_momentum = 0.996, centre_momentum = 0.9, high_centre_momentum = 0.9;
  double centre_share = 0.8;  ///< alpha of shift = alpha c + (1 - alpha) c_h
  double high_share = 0.75;   ///< of training tiles whose land-cover classes count as frequent
  double clip = 3;            ///< per-parameter gradient norm; 0: none
  int freeze_last_layer = 1;  ///< epochs
  double weight_decay_end = 0.4;
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
  std::string precision = "float32";  ///< or "float64", "bf16"
  /// Whether products are of bfloat16.
  bool bfloat16() const { return precision == "bf16"; }
  std::string reduction = "exact";
  bool activation_checkpointing = false;
  std::string reduction_dtype = "float32";  ///< or "bfloat16", between replicas
  int tp = 1;                               ///< tensor-parallel ranks of a replica
  bool zero = false;                        ///< ZeRO-1
  std::string bucket = "25";                ///< MiB, or "auto"
  bool deterministic = false;               ///< of CUDA; the CPU always is
  bool ignore_memory_estimate = false;      ///< go on where the estimate exceeds the memory
  int collective_timeout = 0;               ///< seconds, of NCCL's collectives; 0: twice fault.limit
  int flight_recorder = 0;                  ///< collectives that c10d keeps; 0: its own number
  bool nan_check = false;                   ///< of what NCCL sends
  std::string device = "auto";
  std::string peak = "auto";        ///< FLOP/s that MFU is measured by: parallel::peak_of
  int intra_op_threads = 1;         ///< of LibTorch, per rank
  std::int64_t stop_after = 0;      ///< end with a checkpoint after this step, when > 0; the schedule stays
  std::int64_t validate_every = 0;  ///< steps; 0: at the end only
  std::int64_t validation_tiles = 1024;
  std::int64_t knn_every = 0;     ///< steps between kNN tests of the features; 0: none
  std::int64_t knn_tiles = 1000;  ///< of each split at most
};

/// `[checkpoint]`: when and where the state is saved (docs/checkpoints.md).
struct CheckpointOptions {
  std::string every = "500";      ///< steps; 0: at the end only; or "auto"
  double mtbf = 24;               ///< hours between failures of the job, for "auto"
  int keep = 3;                   ///< newest that are kept
  std::int64_t keep_every = 0;    ///< steps; the first checkpoint from each multiple on is kept; 0: none
  bool async = true;              ///< written behind the next steps
  std::string local;              ///< folder on the node's own disk; empty: none
  std::int64_t local_every = 50;  ///< steps
  int parity_set = 4;             ///< nodes that keep one parity; 0: none
  std::string failure_group;      ///< of this node, such as its switch

  bool automatic() const { return every == "auto"; }
  /// Steps; 0 where it is automatic. UsageError for another text.
  std::int64_t every_steps() const;
};

/// `[trace]`: which steps `trace` records.
struct TraceOptions {
  std::int64_t begin = 2;  ///< steps of this session before the first
  std::int64_t steps = 5;
};

/// `[straggler]`: when a rank counts as slow (stragglers.hpp).
struct StragglerOptions {
  double factor = 1.5;  ///< times the others' median; 0: no watch
  int window = 20;      ///< steps between looks
};

/// `[fault]`: what is watched, and what happens then (docs/faults.md).
struct FaultOptions : fault::ProcessOptions {
  bool guard = true;               ///< roll back and replay what must not count; else end
  fault::GuardOptions spikes;      ///< what counts as one, besides what is not finite
  int max_skips = 10;              ///< batches of a run that may be skipped because they fail again
  std::string skip_batches;        ///< steps to skip in any case
  std::int64_t hash_every = 0;     ///< steps between checks of a rank's state by itself; 0: none
  std::int64_t compare_every = 0;  ///< steps between comparisons of the replicas; 0: none
  std::string sample_log;          ///< folder; empty: none
};

struct PretrainConfig {
  std::string corpus, output;
  bool resume = false;
  std::string init_from;
  std::string plan;  ///< replay this plan file in every epoch
  ModelOptions model;
  TerrafmOptions terrafm;
  DinoOptions dino;
  TrainOptions train;
  CheckpointOptions checkpoint;
  bool trace = false;  ///< record a trace of some steps
  TraceOptions tracing;
  StragglerOptions straggler;
  FaultOptions fault;
  loader::LoaderOptions loader;
  sampling::SamplingOptions sampling;
};

/// The defaults of a family: "mpmae" or "terrafm". UsageError for another name.
PretrainConfig defaults_of(const std::string& family);

/// The family that a command line of `pretrain`, or its --config, names. UsageError for what is wrong there.
std::string family_of(const std::vector<std::string>& arguments);

/// The configuration that a run recorded in its folder; `output` is that folder. IoError, UsageError.
PretrainConfig recorded_config(const std::filesystem::path& run);

/// The command line of `pretrain`; defaults are the present values of `config`, which must outlive it.
OptionTable pretrain_options(PretrainConfig& config);

/// The options of the configuration's family that determine the result: all but those that say where and how
/// a run happens. A checkpoint keeps them, and a resume with others is refused.
std::vector<std::pair<std::string, std::string>> hyper_parameters(const OptionTable& table);

/// UsageError, naming option and value, for a value out of its range.
void validate(const PretrainConfig& config);

}  // namespace terramill::train
