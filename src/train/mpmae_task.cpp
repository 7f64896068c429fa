#include <terramill/core/error.hpp>
#include <terramill/core/philox.hpp>
#include <terramill/corpus/index.hpp>
#include <terramill/model/masking.hpp>
#include <terramill/train/mpmae_task.hpp>

#include <algorithm>
#include <charconv>

#include <ATen/ATen.h>

namespace terramill::train {

namespace {

using corpus::Kind;
using corpus::Manifest;
using corpus::Modality;

/// The optical modality to look at: the one named, or the first of the usual ones that some tile has.
std::string choose_input(const ModelOptions& options, const Manifest& manifest,
                         const std::vector<std::uint64_t>& tiles) {
  const auto has = [&](const std::string& name) {
    const int index = manifest.schema.index_of(name);
    return index >= 0 && tiles[static_cast<std::size_t>(index)] > 0;
  };
  if (!options.input.empty()) {
    if (has(options.input)) return options.input;
    throw UsageError("no tile of the corpus has the modality \"" + options.input + "\"",
                     {"choose the model's input", "model.input", "see terramill corpus info"});
  }
  for (const char* name : {"sentinel2", "s2_l2a", "s2_l1c"}) {
    if (has(name)) return name;
  }
  throw UsageError("the corpus has no optical modality (sentinel2, s2_l2a or s2_l1c)",
                   {"choose the model's input", "model.input", "name the modality to look at"});
}

std::vector<std::string> input_bands(const ModelOptions& options, const Modality& modality) {
  std::vector<std::string> bands = split_list(options.input_bands);
  if (bands.empty()) {
    for (const corpus::Band& band : modality.bands) {
      // Level 2A has no cirrus band; the reference leaves it out of the input of both levels.
      if (modality.name != "sentinel2" || band.name != "B10") bands.push_back(band.name);
    }
  }
  return bands;
}

std::vector<std::int64_t> four_numbers(const std::string& text, const std::string& option) {
  std::vector<std::int64_t> numbers;
  for (const std::string& word : split_list(text)) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || end != word.data() + word.size() || value < 1) {
      throw UsageError("\"" + word + "\" is no positive number", {"read the model's shape", option, ""});
    }
    numbers.push_back(value);
  }
  if (numbers.size() != 4)
    throw UsageError("four numbers are needed", {"read the model's shape", option, ""});
  return numbers;
}

bool is_target(Kind kind) { return kind != Kind::kMask; }

}  // namespace

std::vector<std::uint64_t> tiles_per_modality(const mpi::Communicator& comm,
                                              const std::filesystem::path& corpus, const Manifest& manifest) {
  std::vector<std::uint64_t> counts(manifest.schema.modalities.size(), 0);
  const corpus::IndexReader index(corpus / "index.h5");
  const auto size = static_cast<std::uint64_t>(comm.size()), rank = static_cast<std::uint64_t>(comm.rank());
  const std::uint64_t end = index.rows() * (rank + 1) / size;
  constexpr std::uint64_t kBlock = 1 << 20;
  for (std::uint64_t begin = index.rows() * rank / size; begin < end; begin += kBlock) {
    const auto columns = index.read(begin, std::min(kBlock, end - begin), corpus::kPresent);
    for (const std::uint32_t bits : columns.present) {
      for (std::size_t m = 0; m < counts.size(); ++m) counts[m] += bits >> m & 1u;
    }
  }
  comm.sum(std::span(counts));
  return counts;
}

MpmaeSetup fit_to_corpus(const ModelOptions& options, const Manifest& manifest,
                         const std::vector<std::uint64_t>& tiles) {
  const corpus::Schema& schema = manifest.schema;
  MpmaeSetup setup;
  if (manifest.index_only) {
    throw UsageError("the corpus is an index without shards: there is nothing to train on",
                     {"fit the model to the corpus", "corpus", "build one with terramill corpus build"});
  }

  setup.image_size = options.image_size > 0 ? options.image_size : schema.height;
  if (setup.image_size > std::min(schema.height, schema.width)) {
    throw UsageError(
        "the crop of " + std::to_string(setup.image_size) + " pixels is larger than the corpus's tiles of " +
            std::to_string(schema.height) + " x " + std::to_string(schema.width),
        {"fit the model to the corpus", "model.image_size", "choose a smaller multiple of the patch size"});
  }
  if (setup.image_size % options.patch_size != 0) {
    throw UsageError(
        "tiles of " + std::to_string(setup.image_size) + " pixels are no whole number of patches of " +
            std::to_string(options.patch_size),
        {"fit the model to the corpus", "model.image_size",
         "crop to " + std::to_string(setup.image_size / options.patch_size * options.patch_size)});
  }

  const std::string input = choose_input(options, manifest, tiles);
  const std::vector<std::string> bands = input_bands(options, *schema.find(input));
  setup.requests.push_back({input, bands, loader::Form::kNormalised});

  model::MpmaeConfig& config = setup.model;
  config.size = model::encoder_size(options.size);
  if (!options.depths.empty()) config.size.depths = four_numbers(options.depths, "model.depths");
  if (!options.dims.empty()) config.size.dims = four_numbers(options.dims, "model.dims");
  config.in_channels = static_cast<std::int64_t>(bands.size());
  config.patch_size = options.patch_size;
  config.use_orig_stem = options.use_orig_stem;
  config.decoder_width = options.decoder_width;
  config.decoder_depth = options.decoder_depth;
  config.norm_pix = options.norm_pix;
  config.aggregation = options.aggregation == "uncertainty" ? model::Aggregation::kUncertainty
                                                            : model::Aggregation::kUnweighted;
  config.missing = options.missing == "skip"   ? model::MissingMode::kSkip
                   : options.missing == "mask" ? model::MissingMode::kMask
                                               : model::MissingMode::kReference;

  const std::vector<model::MpmaeTarget> known =
      schema.name == "mmearth" ? model::mmearth_targets() : model::majortom_targets();
  const std::vector<std::string> named = split_list(options.targets);
  for (model::MpmaeTarget target : named.empty() ? known : model::select_targets(known, named)) {
    const Modality* modality = schema.find(target.name);
    const int index = schema.index_of(target.name);
    if (modality == nullptr || !is_target(modality->kind) || tiles[static_cast<std::size_t>(index)] == 0) {
      if (!named.empty()) {
        throw UsageError("no tile of the corpus has the modality \"" + target.name + "\"",
                         {"choose the model's targets", "model.targets", "see terramill corpus info"});
      }
      setup.idle.push_back(target.name);
      continue;
    }
    loader::Request request{target.name, {}, loader::default_form(*modality)};
    if (target.name == input) {
      request.bands = bands;
      target.channels = config.in_channels;
    }
    config.targets.push_back(target);
    setup.requests.push_back(std::move(request));
  }
  if (config.targets.empty()) {
    throw UsageError("the corpus has none of the modalities to reconstruct",
                     {"choose the model's targets", "", ""});
  }
  model::check(config);
  return setup;
}

model::MpmaeBatch make_batch(const loader::MicroBatch& loaded, const MpmaeSetup& setup, double mask_ratio,
                             std::uint64_t seed, std::uint64_t epoch, c10::Device device,
                             at::ScalarType dtype) {
  const auto tensor = [&](const loader::Block& block) {
    if (!block.floats.empty()) {
      return at::from_blob(block.floats.data(), block.shape, at::kFloat).to(device, dtype, false, true);
    }
    return at::from_blob(block.integers.data(), block.shape, at::kLong).to(device, at::kLong, false, true);
  };
  model::MpmaeBatch batch;
  batch.input = tensor(loaded.blocks.at(0));
  for (std::size_t i = 1; i < loaded.blocks.size(); ++i) batch.targets.push_back(tensor(loaded.blocks[i]));

  const std::int64_t edge = setup.image_size / setup.model.patch_size, patches = edge * edge;
  at::Tensor noise = at::empty({loaded.size(), patches}, at::kDouble);
  double* values = noise.data_ptr<double>();
  for (std::int64_t b = 0; b < loaded.size(); ++b) {
    const auto sample = static_cast<std::size_t>(b);
    PhiloxStream random(seed, Purpose::kMask, loaded.tile_keys[sample],
                        philox_key(seed, Purpose::kMask, epoch, loaded.positions[sample]));
    for (std::int64_t p = 0; p < patches; ++p) *values++ = random.uniform();
  }
  batch.mask = model::mask_from_noise(noise, mask_ratio).to(device, dtype);
  return batch;
}

std::vector<double> losses_of(const model::MpmaeOutput& output) {
  std::vector<double> values{output.total.item<double>()};
  const at::Tensor losses = output.losses.detach().to(at::kCPU, at::kDouble).contiguous();
  values.insert(values.end(), losses.const_data_ptr<double>(),
                losses.const_data_ptr<double>() + losses.numel());
  return values;
}

}  // namespace terramill::train
