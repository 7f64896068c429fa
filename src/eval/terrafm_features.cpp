#include "run_record.hpp"

#include <terramill/checkpoint/checkpoint.hpp>
#include <terramill/core/error.hpp>
#include <terramill/model/terrafm.hpp>
#include <terramill/parallel/device.hpp>
#include <terramill/train/mpmae_task.hpp>
#include <terramill/train/terrafm_task.hpp>

#include <torch/torch.h>

namespace terramill::eval {

namespace fs = std::filesystem;

namespace {

/// Where an encoder stands among a checkpoint's tensors.
std::string prefix_of(const std::string& weights) {
  if (weights == "teacher") return "teacher.backbone.";
  if (weights == "student") return std::string(checkpoint::kModelPrefix) + "backbone.";
  throw UsageError("a TerraFM run has the weights of a teacher and a student, none of \"" + weights + "\"",
                   {"open a trained model", "weights", "choose teacher or student"});
}

/// Modalities that a run may have been trained on, by what its statistics can hold.
const std::vector<std::string>& trained_modalities(const fs::path& run) {
  static const std::vector<std::string> mmearth = {"sentinel1", "sentinel2"};
  static const std::vector<std::string> majortom = {"s1_rtc", "s2_l2a", "s2_l1c"};
  const fs::path statistics = run / corpus::kStatisticsFile;
  if (!fs::exists(statistics)) return majortom;
  const corpus::StatisticsTable table = corpus::read_statistics(statistics);
  return table.contains("s2_l2a") || table.contains("s2_l1c") || table.contains("s1_rtc") ? majortom
                                                                                          : mmearth;
}

class TerrafmFeatures : public FeatureModel {
 public:
  TerrafmFeatures(const FeatureModelOptions& options, const RunRecord& run, const fs::path& corpus,
                  const mpi::Communicator& comm)
      : device_(parallel::select_device(options.device, comm)) {
    const corpus::Manifest manifest = corpus::read_manifest(corpus);
    train::PretrainConfig config = run.config;
    config.corpus = corpus;
    config.terrafm.sensors = options.sensor;
    config.terrafm.drop_path = 0;
    setup_ = train::fit_terrafm(config, manifest, train::tiles_per_modality(comm, corpus, manifest));
    statistics_ = fit_statistics(run, trained_modalities(run.folder), setup_.requests, corpus, manifest);
    image_size_ = fit_window(options.image_size, patch_size(), manifest.schema);

    network_ = std::make_shared<model::Terrafm>(setup_.model);
    const std::string prefix = prefix_of(options.weights);
    if (run.checkpoint) {
      load_parameters(*run.checkpoint, prefix, *network_);
    } else {
      network_->initialise(options.seed, "backbone.");
    }
    hash_ = hash_parameters(*network_);
    network_->to(device_);
    network_->eval();
  }

  const std::vector<loader::Request>& requests() const override { return setup_.requests; }
  const corpus::StatisticsTable& statistics() const override { return statistics_; }
  int image_size() const override { return image_size_; }
  int patch_size() const override { return static_cast<int>(setup_.model.patch_size); }
  std::int64_t width() const override { return setup_.model.embed_dim; }
  std::string family() const override { return "terrafm"; }
  std::uint64_t weights_hash() const override { return hash_; }

  at::Tensor features(const loader::MicroBatch& batch, Pooling pooling) const override {
    const torch::NoGradGuard no_grad;
    if (pooling == Pooling::kCls) return on_host(network_->forward(images(batch)));
    const std::int64_t last = setup_.model.depth - 1;
    const at::Tensor tokens =
        network_->normalise(network_->block_outputs(images(batch), {static_cast<int>(last)}).front());
    return on_host(tokens.slice(1, 1).mean(1));
  }

  at::Tensor dense(const loader::MicroBatch& batch) const override {
    const torch::NoGradGuard no_grad;
    const int last = static_cast<int>(setup_.model.depth - 1);
    return on_host(network_->feature_maps(images(batch), {last}).front());
  }

  at::Tensor attention(const loader::MicroBatch& batch) const override {
    const torch::NoGradGuard no_grad;
    const at::Tensor all = network_->last_self_attention(images(batch));  // [B, heads, n + 1, n + 1]
    const std::vector<std::int64_t>& shape = batch.blocks.at(0).shape;
    return on_host(all.select(2, 0).slice(2, 1).reshape(
        {all.size(0), all.size(1), shape[2] / patch_size(), shape[3] / patch_size()}));
  }

 private:
  model::SensorImages images(const loader::MicroBatch& batch) const {
    return train::sensor_images(batch, setup_, device_, at::kFloat);
  }
  static at::Tensor on_host(const at::Tensor& values) { return values.to(at::kCPU, at::kFloat).contiguous(); }

  c10::Device device_;
  int image_size_ = 0;
  std::uint64_t hash_ = 0;
  train::TerrafmSetup setup_;
  corpus::StatisticsTable statistics_;
  std::shared_ptr<model::Terrafm> network_;
};

}  // namespace

std::unique_ptr<FeatureModel> open_terrafm(const FeatureModelOptions& options, const RunRecord& run,
                                           const fs::path& corpus, const mpi::Communicator& comm) {
  return std::make_unique<TerrafmFeatures>(options, run, corpus, comm);
}

}  // namespace terramill::eval
