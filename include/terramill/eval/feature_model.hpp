#pragma once

#include <terramill/corpus/statistics.hpp>
#include <terramill/loader/loader.hpp>
#include <terramill/mpi/communicator.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace terramill::eval {

/// How a tile's patch features become one vector.
enum class Pooling {
  kCls,   ///< the class token; TerraFM only
  kMean,  ///< the mean over patch tokens, or over active sites
};

/// A frozen encoder with what it needs of a corpus. A sample's features depend on that sample and the weights
/// alone, not on the rest of its micro-batch. Results are float32 on the CPU.
class FeatureModel {
 public:
  virtual ~FeatureModel() = default;

  /// What to load, normalised, in the order in which the micro-batches' blocks are expected.
  virtual const std::vector<loader::Request>& requests() const = 0;
  /// Band statistics by key of band_stats.json that go before the corpus's own: those that the run was
  /// trained with. See loader_options.
  virtual const corpus::StatisticsTable& statistics() const = 0;
  /// Edge in pixels of the centred window to load; a multiple of the patch size.
  virtual int image_size() const = 0;
  virtual int patch_size() const = 0;
  virtual std::int64_t width() const = 0;  ///< d
  virtual std::string family() const = 0;  ///< "mpmae" or "terrafm"
  /// xxh3 over names and values of the encoder's parameters, in their order.
  virtual std::uint64_t weights_hash() const = 0;

  /// [B, d]. UsageError for kCls of an MP-MAE, which has no class token. A micro-batch may have any window
  /// whose edge is a multiple of the patch size.
  virtual at::Tensor features(const loader::MicroBatch& batch, Pooling pooling) const = 0;
  /// Patch features after the final norm (an MP-MAE's encoder ends without one), [B, d, h, w]; 0 where an
  /// MP-MAE has no active site.
  virtual at::Tensor dense(const loader::MicroBatch& batch) const = 0;
  /// TerraFM: the last block's attention of the class token to the patches, [B, heads, h, w]. UsageError for
  /// an MP-MAE.
  virtual at::Tensor attention(const loader::MicroBatch& batch) const = 0;
};

struct FeatureModelOptions {
  std::filesystem::path checkpoint;  ///< a run's folder (its newest checkpoint counts) or a checkpoint's
  bool untrained = false;            ///< the run's architecture with weights drawn from `seed`
  std::uint64_t seed = 0;
  std::string weights = "teacher";  ///< TerraFM: "teacher" or "student"
  std::string device = "auto";      ///< parallel::select_device
  std::string sensor;  ///< TerraFM: comma-separated sensors to look at; empty: all that the corpus has
  std::string input;   ///< MP-MAE: modality to look at; empty: the one that the run was trained on
  int image_size = 0;  ///< pixels, a multiple of the patch size; 0: as much of the tile as has whole patches
};

/// Opens the encoder of a run for the tiles of `corpus`, which may be another than the run's and may have
/// other modalities and another tile size. Input bands are found by name; for an MP-MAE `input` may name
/// another modality that has them (sentinel2 of schema mmearth, s2_l1c and s2_l2a of majortom). Logs where
/// statistics come from. UsageError where the corpus lacks what the encoder looks at, or its tiles are
/// smaller than a patch. Collective.
std::unique_ptr<FeatureModel> open_feature_model(const FeatureModelOptions& options,
                                                 const std::filesystem::path& corpus,
                                                 const mpi::Communicator& comm);

/// `base` with centred windows of the model's size and its statistics: what a Loader over the model's
/// requests is to be given.
loader::LoaderOptions loader_options(const FeatureModel& model, loader::LoaderOptions base = {});

}  // namespace terramill::eval
