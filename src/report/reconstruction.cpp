#include <terramill/checkpoint/reader.hpp>
#include <terramill/corpus/index.hpp>
#include <terramill/model/mpmae.hpp>
#include <terramill/report/reconstruction.hpp>
#include <terramill/train/mpmae_task.hpp>

#include <algorithm>

#include <torch/torch.h>

namespace terramill::report {

namespace {

using corpus::Kind;

/// Predictions [B, p p C, h, w], c fastest, as images [B, C, h p, w p].
at::Tensor to_images(const at::Tensor& prediction, std::int64_t patch) {
  const std::int64_t b = prediction.size(0), h = prediction.size(2), w = prediction.size(3);
  const std::int64_t channels = prediction.size(1) / (patch * patch);
  return prediction.reshape({b, patch, patch, channels, h, w})
      .permute({0, 3, 4, 1, 5, 2})
      .reshape({b, channels, h * patch, w * patch})
      .contiguous();
}

/// Gives per-patch normalised predictions the truth's mean and spread per patch: the inverse of norm_pix,
/// whose variance is unbiased over all values of the patch.
at::Tensor undo_norm_pix(const at::Tensor& prediction, const at::Tensor& truth, std::int64_t patch) {
  const at::Tensor known = at::nan_to_num(truth, 0.0, 0.0, 0.0);
  const std::int64_t b = known.size(0), c = known.size(1), h = known.size(2) / patch,
                     w = known.size(3) / patch;
  const at::Tensor patches =
      known.reshape({b, c, h, patch, w, patch}).permute({0, 3, 5, 1, 2, 4}).reshape({b, -1, h, w});
  const at::Tensor mean = patches.mean(1, true), variance = patches.var({1}, true, true);
  return prediction * (variance + 1e-6).sqrt() + mean;
}

template <typename T>
std::span<const T> values(const at::Tensor& tensor) {
  return {tensor.const_data_ptr<T>(), static_cast<std::size_t>(tensor.numel())};
}

}  // namespace

std::vector<std::uint64_t> rows_to_show(const std::filesystem::path& corpus, int count) {
  const corpus::IndexReader index(corpus / corpus::kIndexFile);
  const auto columns = index.read(0, index.rows(), corpus::kSplit);
  std::vector<std::uint64_t> held_out;
  for (std::uint64_t row = 0; row < index.rows(); ++row) {
    if (columns.split[row] == static_cast<std::uint8_t>(corpus::Split::kValidation)) held_out.push_back(row);
  }
  const std::uint64_t available = held_out.empty() ? index.rows() : held_out.size();
  const std::uint64_t wanted = std::min<std::uint64_t>(available, static_cast<std::uint64_t>(count));
  std::vector<std::uint64_t> rows;
  for (std::uint64_t i = 0; i < wanted; ++i) {
    const std::uint64_t place = i * available / wanted;
    rows.push_back(held_out.empty() ? place : held_out[place]);
  }
  return rows;
}

std::vector<ReconstructedTile> reconstruct(const train::PretrainConfig& config, int count) {
  return reconstruct(config, rows_to_show(config.corpus, count));
}

std::vector<ReconstructedTile> reconstruct(const train::PretrainConfig& config,
                                           const std::vector<std::uint64_t>& rows) {
  const torch::NoGradGuard no_grad;
  const mpi::Communicator self = mpi::Communicator::self();
  const corpus::Manifest manifest = corpus::read_manifest(config.corpus);
  const train::MpmaeSetup setup =
      train::fit_to_corpus(config.model, manifest, train::tiles_per_modality(self, config.corpus, manifest));
  loader::LoaderOptions options = config.loader;
  options.crop_size = setup.image_size;
  loader::Loader loader(config.corpus, setup.requests, options);

  const corpus::IndexReader index(std::filesystem::path(config.corpus) / "index.h5");
  const loader::MicroBatch loaded = loader.load_tiles(rows);
  const model::MpmaeBatch batch =
      train::make_batch(loaded, setup, config.model.mask_ratio, static_cast<std::uint64_t>(config.train.seed),
                        0, at::kCPU, at::kFloat);

  model::Mpmae network(setup.model);
  std::vector<parallel::NamedTensor> parameters;
  for (const auto& item : network.named_parameters()) parameters.emplace_back(item.key(), item.value());
  checkpoint::init_from(config.output, parameters);
  const model::MpmaeOutput output = network.forward(batch, true);

  std::vector<std::string> input_bands;
  for (std::size_t i = 0; i < setup.inputs; ++i) {
    input_bands.insert(input_bands.end(), loader.bands()[i].begin(), loader.bands()[i].end());
  }
  const std::int64_t patch = config.model.patch_size;
  const int edge = setup.image_size;
  std::vector<ReconstructedTile> tiles(rows.size());
  for (std::size_t b = 0; b < rows.size(); ++b) {
    const auto sample = static_cast<std::int64_t>(b);
    tiles[b].tile_id = index.read_records(rows[b], 1).front().tile_id;
    tiles[b].visible =
        draw_continuous(values<float>(batch.input[sample].contiguous()), input_bands, edge, edge);
    const at::Tensor mask = batch.mask[sample].contiguous();
    replace_patches(tiles[b].visible, values<float>(mask), 1, config.model.patch_size, nullptr);
    for (std::size_t t = 0; t < setup.model.targets.size(); ++t) {
      const model::MpmaeTarget& target = setup.model.targets[t];
      if (!target.is_pixel()) continue;
      ReconstructedModality modality{target.name, {}, {}};
      const at::Tensor truth = batch.targets[t].slice(0, sample, sample + 1);
      at::Tensor predicted = output.predictions[t].slice(0, sample, sample + 1);
      if (target.kind == model::TargetKind::kCategoricalPixel) {
        modality.truth = draw_classes(values<std::int64_t>(truth.contiguous()), target.name, edge, edge);
        const at::Tensor classes = to_images(predicted, patch).argmax(1).contiguous();
        modality.prediction = draw_classes(values<std::int64_t>(classes), target.name, edge, edge);
      } else {
        if (setup.model.norm_pix && target.reflectance) predicted = undo_norm_pix(predicted, truth, patch);
        const std::vector<std::string>& bands = loader.bands()[setup.inputs + t];
        modality.truth = draw_continuous(values<float>(truth.contiguous()), bands, edge, edge);
        modality.prediction = draw_continuous(values<float>(to_images(predicted, patch)), bands, edge, edge);
      }
      // Only removed patches are trained on; in the input's own modality the visible ones are known.
      const bool is_input = std::any_of(
          setup.requests.begin(), setup.requests.begin() + static_cast<std::ptrdiff_t>(setup.inputs),
          [&](const loader::Request& input) { return input.modality == target.name; });
      replace_patches(modality.prediction, values<float>(mask), 0, config.model.patch_size,
                      is_input ? &modality.truth : nullptr);
      tiles[b].modalities.push_back(std::move(modality));
    }
  }
  return tiles;
}

}  // namespace terramill::report
