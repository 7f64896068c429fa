#include "run_record.hpp"

#include <terramill/checkpoint/checkpoint.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/log.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

#include <torch/torch.h>

namespace terramill::eval {

namespace fs = std::filesystem;

namespace {

constexpr const char* kConfigFile = "config.ini";

/// The bands of a modality as the schemas define it; empty for an unknown name.
std::vector<std::string> bands_of(const std::string& modality) {
  for (const corpus::Schema& schema : {corpus::mmearth_schema(1), corpus::majortom_schema(1)}) {
    const corpus::Modality* const found = schema.find(modality);
    if (found == nullptr) continue;
    std::vector<std::string> names;
    for (const corpus::Band& band : found->bands) names.push_back(band.name);
    return names;
  }
  return {};
}

bool is_sentinel2(const std::string& modality) {
  return modality == "sentinel2" || modality == "s2_l1c" || modality == "s2_l2a";
}

/// Where a modality's statistics stand among those of a run that was trained on `trained`.
std::string trained_key(const std::string& trained, const std::string& modality, corpus::S2Type type) {
  if (trained != "sentinel2") return trained;
  if (modality == "s2_l1c") type = corpus::S2Type::kL1C;
  if (modality == "s2_l2a") type = corpus::S2Type::kL2A;
  return type == corpus::S2Type::kNone ? trained : trained + (type == corpus::S2Type::kL2A ? "_l2a" : "_l1c");
}

/// Which of the run's modalities stands for `modality`: the same, else Sentinel-2 of the same product, else
/// any Sentinel-2.
std::optional<std::string> counterpart(const std::string& modality,
                                       const std::vector<std::string>& trained_on) {
  const auto has = [&](const std::string& name) {
    return std::find(trained_on.begin(), trained_on.end(), name) != trained_on.end();
  };
  if (has(modality)) return modality;
  if (!is_sentinel2(modality)) return std::nullopt;
  for (const char* name : {"sentinel2", "s2_l2a", "s2_l1c"}) {
    if (has(name)) return name;
  }
  return std::nullopt;
}

/// The corpus's statistics of a modality with the run's in place of those of every band that the run has
/// measured; false when one of `wanted` is not among them.
bool take_bands(const corpus::BandStatistics& trained, const std::vector<std::string>& trained_bands,
                const corpus::Modality& modality, const std::vector<std::string>& wanted,
                corpus::BandStatistics& into) {
  const auto bands = static_cast<std::size_t>(modality.channels());
  for (auto* values : {&into.mean, &into.std, &into.min, &into.max}) {
    values->resize(bands, std::numeric_limits<double>::quiet_NaN());
  }
  std::size_t taken = 0;
  for (std::size_t b = 0; b < trained_bands.size(); ++b) {
    const int at = modality.band_index(trained_bands[b]);
    if (at < 0 || b >= trained.mean.size() || b >= trained.std.size() || !std::isfinite(trained.mean[b]) ||
        !std::isfinite(trained.std[b])) {
      continue;
    }
    into.mean[static_cast<std::size_t>(at)] = trained.mean[b];
    into.std[static_cast<std::size_t>(at)] = trained.std[b];
    taken += static_cast<std::size_t>(std::count(wanted.begin(), wanted.end(), trained_bands[b]));
  }
  return taken == wanted.size();
}

}  // namespace

RunRecord open_run(const fs::path& path, bool with_weights, const mpi::Communicator& comm) {
  RunRecord run;
  const bool is_checkpoint = fs::exists(path / "index.json");
  run.folder = is_checkpoint ? fs::canonical(path).parent_path().parent_path() : path;
  if (!fs::exists(run.folder / kConfigFile)) {
    throw UsageError("there is no " + std::string(kConfigFile) + " of a run",
                     {"open a trained model", path.string(),
                      "name the run's folder (--output of pretrain), or a checkpoint inside of it"});
  }
  run.config = train::recorded_config(run.folder);
  if (!with_weights) return run;
  std::optional<fs::path> checkpoint;
  if (is_checkpoint) {
    checkpoint = path;
  } else {
    checkpoint = checkpoint::find_latest(comm, path);
  }
  if (!checkpoint) {
    throw UsageError("the run has no whole checkpoint", {"open a trained model", path.string(), ""});
  }
  run.checkpoint = std::make_unique<checkpoint::Reader>(*checkpoint);
  return run;
}

void load_parameters(const checkpoint::Reader& checkpoint, const std::string& prefix,
                     torch::nn::Module& module) {
  const torch::NoGradGuard no_grad;
  for (const auto& item : module.named_parameters()) {
    const at::Tensor values = checkpoint.read(prefix + item.key());
    if (values.sizes() != item.value().sizes()) {
      throw FormatError("the tensor has another shape than the run's configuration gives",
                        {"load weights", prefix + item.key(), "see config.ini of the run"});
    }
    at::Tensor into = item.value();
    into.copy_(values);
  }
}

std::uint64_t hash_parameters(const torch::nn::Module& module) {
  Xxh3 hash;
  for (const auto& item : module.named_parameters()) {
    const at::Tensor values = item.value().detach().to(at::kCPU, at::kFloat).contiguous();
    hash.update(item.key());
    hash.update(
        std::as_bytes(std::span(values.const_data_ptr<float>(), static_cast<std::size_t>(values.numel()))));
  }
  return hash.digest();
}

corpus::StatisticsTable fit_statistics(const RunRecord& run, const std::vector<std::string>& trained_on,
                                       const std::vector<loader::Request>& requests, const fs::path& corpus,
                                       const corpus::Manifest& manifest) {
  corpus::StatisticsTable result;
  const fs::path recorded = run.folder / corpus::kStatisticsFile;
  if (!fs::exists(recorded)) {
    log::warn("the run kept no band statistics: the corpus's own normalise the input");
    return result;
  }
  const corpus::StatisticsTable trained = corpus::read_statistics(recorded);
  const corpus::StatisticsTable own = corpus::read_statistics(corpus / corpus::kStatisticsFile);
  for (const loader::Request& request : requests) {
    const corpus::Modality& modality = *manifest.schema.find(request.modality);
    const auto source = counterpart(request.modality, trained_on);
    bool all = true, any = false;
    for (const auto type : {corpus::S2Type::kNone, corpus::S2Type::kL1C, corpus::S2Type::kL2A}) {
      const std::string key = corpus::statistics_key(manifest.schema, modality, type);
      const auto mine = own.find(key);
      if (mine == own.end() || result.contains(key)) continue;  // no tile of the corpus needs it
      const auto found = source ? trained.find(trained_key(*source, request.modality, type)) : trained.end();
      corpus::BandStatistics fitted = mine->second;
      if (found != trained.end() &&
          take_bands(found->second, bands_of(*source), modality, request.bands, fitted)) {
        result[key] = std::move(fitted);
        any = true;
      } else {
        all = false;
      }
    }
    log::info("{} is normalised by {}", request.modality,
              any && all ? "the statistics of the training corpus, " + *source
              : any      ? "the statistics of the training corpus where it has them, else by the corpus's own"
                         : std::string("the corpus's own statistics: the run has none of it"));
  }
  return result;
}

int fit_window(int wanted, int patch_size, const corpus::Schema& schema) {
  const int smallest = std::min(schema.height, schema.width);
  const int window = wanted > 0 ? wanted : smallest / patch_size * patch_size;
  if (window < patch_size || window > smallest || window % patch_size != 0) {
    throw UsageError("a window of " + std::to_string(wanted > 0 ? wanted : smallest) +
                         " pixels does not fit patches of " + std::to_string(patch_size) + " and tiles of " +
                         std::to_string(schema.height) + " x " + std::to_string(schema.width),
                     {"fit the model to the corpus", "image-size",
                      "choose a multiple of the patch size that the tiles hold"});
  }
  return window;
}

loader::LoaderOptions loader_options(const FeatureModel& model, loader::LoaderOptions base) {
  base.crop_size = model.image_size();
  base.random_crop = false;
  base.preferred = model.statistics();
  return base;
}

std::unique_ptr<FeatureModel> open_feature_model(const FeatureModelOptions& options, const fs::path& corpus,
                                                 const mpi::Communicator& comm) {
  const RunRecord run = open_run(options.checkpoint, !options.untrained, comm);
  auto model = run.config.model.family == "terrafm" ? open_terrafm(options, run, corpus, comm)
                                                    : open_mpmae(options, run, corpus, comm);
  log::info("{} of {}: {}, windows of {} pixels, {} features, weights {}", model->family(),
            run.folder.string(),
            options.untrained ? "untrained, seed " + std::to_string(options.seed)
                              : "step " + std::to_string(run.checkpoint->step()),
            model->image_size(), model->width(), to_hex(model->weights_hash()));
  return model;
}

}  // namespace terramill::eval
