#include "run_record.hpp"

#include <terramill/checkpoint/checkpoint.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/json.hpp>
#include <terramill/core/options.hpp>
#include <terramill/model/encoder.hpp>
#include <terramill/model/init.hpp>
#include <terramill/parallel/device.hpp>
#include <terramill/train/mpmae_task.hpp>

#include <algorithm>

#include <torch/torch.h>

namespace terramill::eval {

namespace fs = std::filesystem;

namespace {

/// Names under which the encoder stands in the whole model.
constexpr const char* kEncoder = "encoder.";

/// The modalities and bands that a run looks at: as it recorded them, or as its corpus gives them.
std::vector<loader::Request> inputs_of(const RunRecord& run) {
  const fs::path record = run.folder / "run.json";
  if (fs::exists(record)) {
    const Json about = read_json(record);
    if (about.contains("input")) {
      std::vector<loader::Request> inputs;
      for (const Json& input : about.at("input")) {
        inputs.push_back({json_get<std::string>(input, "modality", record.string()),
                          json_get<std::vector<std::string>>(input, "bands", record.string()),
                          loader::Form::kNormalised});
      }
      return inputs;
    }
  }
  if (!fs::exists(fs::path(run.config.corpus) / corpus::kManifestFile)) {
    throw UsageError(
        "the run does not say which bands it looks at, and its corpus is gone",
        {"open a trained model", run.folder.string(), "bring back the corpus " + run.config.corpus});
  }
  const corpus::Manifest manifest = corpus::read_manifest(run.config.corpus);
  train::MpmaeSetup setup =
      train::fit_to_corpus(run.config.model, manifest,
                           train::tiles_per_modality(mpi::Communicator::self(), run.config.corpus, manifest));
  setup.requests.resize(setup.inputs);
  return setup.requests;
}

/// The request for the same bands of the corpus at hand.
loader::Request request_for(const loader::Request& trained, const std::string& wanted,
                            const corpus::Schema& schema) {
  loader::Request request = trained;
  if (!wanted.empty()) request.modality = wanted;
  const corpus::Modality* const modality = schema.find(request.modality);
  const auto lacks = [&](const corpus::Modality& one) {
    std::string missing;
    for (const std::string& band : request.bands) {
      if (one.band_index(band) < 0) missing += (missing.empty() ? "" : ", ") + band;
    }
    return missing;
  };
  std::string others;
  for (const corpus::Modality& one : schema.modalities) {
    if (one.name != request.modality && one.kind == corpus::Kind::kContinuous && lacks(one).empty()) {
      others += (others.empty() ? "" : " or ") + one.name;
    }
  }
  const std::string advice = others.empty()
                                 ? "the corpus has no modality with these bands: train on other ones"
                                 : "these bands are in " + others + ": give it as --input";
  if (modality == nullptr) {
    throw UsageError("the model looks at " + request.modality + ", which the corpus does not have",
                     {"fit the model to the corpus", "input", advice});
  }
  if (const std::string missing = lacks(*modality); !missing.empty()) {
    throw UsageError("the model looks at bands that " + request.modality + " does not have: " + missing,
                     {"fit the model to the corpus", "input", advice});
  }
  return request;
}

/// The masked encoder of an MP-MAE, without a mask. Global response normalisation looks across the sites of
/// what is computed at once, so tiles go one by one: their features then are their own.
class MpmaeFeatures : public FeatureModel {
 public:
  MpmaeFeatures(const FeatureModelOptions& options, const RunRecord& run, const fs::path& corpus,
                const mpi::Communicator& comm)
      : device_(parallel::select_device(options.device, comm)), patch_size_(run.config.model.patch_size) {
    const corpus::Manifest manifest = corpus::read_manifest(corpus);
    const std::vector<loader::Request> trained = inputs_of(run);
    if (trained.size() > 1 && !options.input.empty()) {
      throw UsageError("the model looks at several modalities: none can stand in for all",
                       {"fit the model to the corpus", "input", "leave it out"});
    }
    std::vector<std::string> modalities;
    for (const loader::Request& input : trained) {
      modalities.push_back(input.modality);
      requests_.push_back(request_for(input, options.input, manifest.schema));
    }
    statistics_ = fit_statistics(run, modalities, requests_, corpus, manifest);
    image_size_ = fit_window(options.image_size, patch_size_, manifest.schema);

    const model::MpmaeConfig config = encoder_config(run, trained);
    width_ = config.size.dims.back();
    encoder_ = std::make_shared<model::MaskedEncoder>(config);
    if (run.checkpoint) {
      load_parameters(*run.checkpoint, std::string(checkpoint::kModelPrefix) + kEncoder, *encoder_);
    } else {
      for (const auto& item : encoder_->named_parameters()) {
        const std::string name = kEncoder + item.key();
        model::draw_parameter(item.value(), name, model::mpmae_distribution(name, item.value().dim()),
                              options.seed);
      }
    }
    hash_ = hash_parameters(*encoder_);
    encoder_->to(device_);
  }

  const std::vector<loader::Request>& requests() const override { return requests_; }
  const corpus::StatisticsTable& statistics() const override { return statistics_; }
  int image_size() const override { return image_size_; }
  int patch_size() const override { return patch_size_; }
  std::int64_t width() const override { return width_; }
  std::string family() const override { return "mpmae"; }
  std::uint64_t weights_hash() const override { return hash_; }

  at::Tensor features(const loader::MicroBatch& batch, Pooling pooling) const override {
    if (pooling == Pooling::kCls) {
      throw UsageError("an MP-MAE has no class token", {"compute features", "pooling", "use mean"});
    }
    std::vector<at::Tensor> rows;
    for (const Encoded& one : encode(batch)) {
      rows.push_back(one.map.sum({1, 2}) / one.active.sum().clamp_min(1));
    }
    return at::stack(rows);
  }

  at::Tensor dense(const loader::MicroBatch& batch) const override {
    std::vector<at::Tensor> maps;
    for (const Encoded& one : encode(batch)) maps.push_back(one.map);
    return at::stack(maps);
  }

  at::Tensor attention(const loader::MicroBatch&) const override {
    throw UsageError("an MP-MAE has no attention", {"draw attention", "checkpoint", "name a TerraFM run"});
  }

 private:
  /// One tile's sites [d, h, w], and which of them are active [h, w].
  struct Encoded {
    at::Tensor map, active;
  };

  static model::MpmaeConfig encoder_config(const RunRecord& run,
                                           const std::vector<loader::Request>& trained) {
    // Of the whole model's configuration the targets do not matter to the encoder; any will do.
    corpus::Manifest shape;
    shape.schema = corpus::mmearth_schema(run.config.model.patch_size);
    const std::string& modality = trained.front().modality;
    if (shape.schema.find(modality) == nullptr) {
      shape.schema = corpus::majortom_schema(run.config.model.patch_size);
    }
    train::ModelOptions options = run.config.model;
    options.image_size = 0;
    options.input.clear();
    options.target = {{modality, "all"}};
    for (const loader::Request& input : trained) {
      std::string& bands = options.input[input.modality];
      for (const std::string& band : input.bands) bands += (bands.empty() ? "" : ",") + band;
    }
    return train::fit_to_corpus(options, shape, std::vector<std::uint64_t>(shape.schema.modalities.size(), 1))
        .model;
  }

  std::vector<Encoded> encode(const loader::MicroBatch& batch) const {
    const torch::NoGradGuard no_grad;
    std::vector<at::Tensor> inputs;
    for (const loader::Block& block : batch.blocks) {
      inputs.push_back(at::from_blob(block.floats.data(), block.shape, at::kFloat));
    }
    const at::Tensor images = at::nan_to_num(at::cat(inputs, 1), 0.0, 0.0, 0.0);
    const std::int64_t rows = images.size(2) / patch_size_, columns = images.size(3) / patch_size_;
    const at::Tensor mask = at::zeros({1, rows * columns}, device_);
    std::vector<Encoded> result;
    for (std::int64_t b = 0; b < images.size(0); ++b) {
      const at::Tensor image = images.slice(0, b, b + 1);
      if (!image.any().item<bool>()) {  // nothing is known of this tile
        result.push_back({at::zeros({width_, rows, columns}), at::zeros({rows, columns})});
        continue;
      }
      model::EncoderTrace trace;
      const at::Tensor sites = encoder_->forward(image.to(device_), mask, &trace);
      result.push_back({sites[0].permute({2, 0, 1}).to(at::kCPU, at::kFloat).contiguous(),
                        trace.active.back()[0][0].to(at::kCPU, at::kFloat)});
    }
    return result;
  }

  c10::Device device_;
  int patch_size_, image_size_ = 0;
  std::int64_t width_ = 0;
  std::uint64_t hash_ = 0;
  std::vector<loader::Request> requests_;
  corpus::StatisticsTable statistics_;
  std::shared_ptr<model::MaskedEncoder> encoder_;
};

}  // namespace

std::unique_ptr<FeatureModel> open_mpmae(const FeatureModelOptions& options, const RunRecord& run,
                                         const fs::path& corpus, const mpi::Communicator& comm) {
  return std::make_unique<MpmaeFeatures>(options, run, corpus, comm);
}

}  // namespace terramill::eval
