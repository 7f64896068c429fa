#include <terramill/core/error.hpp>
#include <terramill/core/philox.hpp>
#include <terramill/corpus/index.hpp>
#include <terramill/model/masking.hpp>
#include <terramill/train/mpmae_task.hpp>
#include <terramill/train/staging.hpp>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <map>

#include <ATen/ATen.h>

namespace terramill::train {

namespace {

using corpus::Kind;
using corpus::Manifest;
using corpus::Modality;

bool is_target(Kind kind) { return kind != Kind::kMask; }

/// What a corpus can give: the modality of that name where some tile has it.
const Modality* available(const Manifest& manifest, const std::vector<std::uint64_t>& tiles,
                          const std::string& name) {
  const int index = manifest.schema.index_of(name);
  return index >= 0 && tiles.at(static_cast<std::size_t>(index)) > 0 ? manifest.schema.find(name) : nullptr;
}

/// Refuses modalities that a section chooses and no tile has.
void require_chosen(const std::map<std::string, std::string>& options, const std::string& section,
                    const Manifest& manifest, const std::vector<std::uint64_t>& tiles) {
  for (const auto& [name, chosen] : options) {
    if (chosen.empty() || available(manifest, tiles, name) != nullptr) continue;
    throw UsageError("no tile of the corpus has the modality \"" + name + "\"",
                     {"fit the model to the corpus", section + "." + name, "see terramill corpus info"});
  }
}

std::string chosen_of(const std::map<std::string, std::string>& options, const std::string& name) {
  const auto found = options.find(name);
  return found == options.end() ? "" : found->second;
}

/// The bands that an option's text means.
std::vector<std::string> bands_of(const std::string& chosen, const Modality& modality,
                                  const std::string& option) {
  std::vector<std::string> known, bands;
  for (const corpus::Band& band : modality.bands) known.push_back(band.name);
  if (chosen == "all") {
    // Level 2A has no cirrus band; the reference leaves it out of the input of both levels.
    std::copy_if(known.begin(), known.end(), std::back_inserter(bands),
                 [&](const std::string& band) { return modality.name != "sentinel2" || band != "B10"; });
    return bands;
  }
  bands = split_list(chosen);
  for (const std::string& band : bands) {
    if (modality.band_index(band) >= 0) continue;
    const auto close = nearest(band, known);
    throw UsageError("\"" + band + "\" is no band of " + modality.name,
                     {"choose bands", option, close ? "did you mean " + *close + "?" : "or give all"});
  }
  return bands;
}

/// The modalities to look at, in the schema's order, with their bands.
std::vector<loader::Request> choose_inputs(const ModelOptions& options, const Manifest& manifest,
                                           const std::vector<std::uint64_t>& tiles) {
  require_chosen(options.input, "input", manifest, tiles);
  std::vector<loader::Request> inputs;
  for (const Modality& modality : manifest.schema.modalities) {
    const std::string chosen = chosen_of(options.input, modality.name);
    if (chosen.empty()) continue;
    inputs.push_back(
        {modality.name, bands_of(chosen, modality, "input." + modality.name), loader::Form::kNormalised});
  }
  if (!inputs.empty()) return inputs;
  for (const char* name : {"sentinel2", "s2_l2a", "s2_l1c"}) {
    if (const Modality* modality = available(manifest, tiles, name)) {
      return {{name, bands_of("all", *modality, ""), loader::Form::kNormalised}};
    }
  }
  throw UsageError("the corpus has no optical modality (sentinel2, s2_l2a or s2_l1c)",
                   {"choose the model's input", "input", "name what to look at: --input.NAME all"});
}

/// Adds the targets to a setup that has its inputs.
void choose_targets(const ModelOptions& options, const Manifest& manifest,
                    const std::vector<std::uint64_t>& tiles, MpmaeSetup& setup) {
  require_chosen(options.target, "target", manifest, tiles);
  const bool named = std::any_of(options.target.begin(), options.target.end(),
                                 [](const auto& entry) { return !entry.second.empty(); });
  const std::vector<loader::Request> inputs = setup.requests;
  for (model::MpmaeTarget target :
       manifest.schema.name == "mmearth" ? model::mmearth_targets() : model::majortom_targets()) {
    const std::string chosen = chosen_of(options.target, target.name);
    if (named && chosen.empty()) continue;
    const Modality* modality = available(manifest, tiles, target.name);
    if (modality == nullptr || !is_target(modality->kind)) {
      setup.idle.push_back(target.name);
      continue;
    }
    loader::Request request{target.name, {}, loader::default_form(*modality)};
    if (modality->kind == Kind::kContinuous) {
      const auto input = std::find_if(inputs.begin(), inputs.end(), [&](const loader::Request& one) {
        return one.modality == target.name;
      });
      // Unless other bands are named, what is looked at is what is to be completed.
      if (!chosen.empty()) {
        request.bands = bands_of(chosen, *modality, "target." + target.name);
      } else if (input != inputs.end()) {
        request.bands = input->bands;
      }
      if (!request.bands.empty()) target.channels = static_cast<std::int64_t>(request.bands.size());
    } else if (!chosen.empty() && chosen != "all") {
      throw UsageError("classes have no bands to choose from",
                       {"choose the model's targets", "target." + target.name, "give all"});
    }
    const auto weight = options.weight.find(target.name);
    if (weight != options.weight.end()) target.weight = weight->second;
    setup.model.targets.push_back(target);
    setup.requests.push_back(std::move(request));
  }
  if (setup.model.targets.empty()) {
    throw UsageError("the corpus has none of the modalities to reconstruct",
                     {"choose the model's targets", "", ""});
  }
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

  setup.requests = choose_inputs(options, manifest, tiles);
  setup.inputs = setup.requests.size();

  model::MpmaeConfig& config = setup.model;
  config.size = model::encoder_size(options.size);
  if (!options.depths.empty()) config.size.depths = four_numbers(options.depths, "model.depths");
  if (!options.dims.empty()) config.size.dims = four_numbers(options.dims, "model.dims");
  config.in_channels = 0;
  for (const loader::Request& input : setup.requests) {
    config.in_channels += static_cast<std::int64_t>(input.bands.size());
  }
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

  choose_targets(options, manifest, tiles, setup);
  model::check(config);
  return setup;
}

model::MpmaeBatch make_batch(const loader::MicroBatch& loaded, const MpmaeSetup& setup, double mask_ratio,
                             std::uint64_t seed, std::uint64_t epoch, c10::Device device,
                             at::ScalarType dtype, std::vector<at::Tensor> blocks) {
  if (blocks.empty()) blocks = host_blocks(loaded);
  model::MpmaeBatch batch;
  std::vector<at::Tensor> inputs;
  for (std::size_t i = 0; i < loaded.blocks.size(); ++i) {
    const at::ScalarType type = blocks[i].is_floating_point() ? dtype : at::kLong;
    // What views the loader's memory is copied.
    (i < setup.inputs ? inputs : batch.targets)
        .push_back(blocks[i].to(device, type, /*non_blocking=*/false, /*copy=*/blocks[i].is_cpu()));
  }
  batch.input = inputs.size() == 1 ? inputs.front() : at::cat(inputs, 1);

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
