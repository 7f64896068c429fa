#include <terramill/core/error.hpp>
#include <terramill/corpus/index.hpp>
#include <terramill/train/staging.hpp>
#include <terramill/train/terrafm_task.hpp>

#include <algorithm>
#include <map>

#include <torch/torch.h>

namespace terramill::train {

namespace {

using corpus::Modality;
using model::Sensor;

/// Band order of the Sentinel-2 stems: Major TOM's, without B10 (spec a.7).
const std::vector<std::string>& s2_bands() {
  static const std::vector<std::string> bands = {"B1", "B2", "B3",  "B4", "B5",  "B6",
                                                 "B7", "B8", "B8A", "B9", "B11", "B12"};
  return bands;
}

/// A modality of a schema that can feed a sensor's stem.
struct Feed {
  std::string modality;
  std::vector<Sensor> sensors;                  ///< one, or both products
  std::vector<std::string> bands, second = {};  ///< in the stem's order
};

std::vector<Feed> feeds_of(const std::string& schema) {
  if (schema == "mmearth") {
    return {{"sentinel1", {Sensor::kS1}, {"asc_VV", "asc_VH"}, {"desc_VV", "desc_VH"}},
            {"sentinel2", {Sensor::kS2L2a, Sensor::kS2L1c}, s2_bands()}};
  }
  return {{"s1_rtc", {Sensor::kS1}, {"VV", "VH"}},
          {"s2_l2a", {Sensor::kS2L2a}, s2_bands()},
          {"s2_l1c", {Sensor::kS2L1c}, s2_bands()}};
}

/// The positions of `wanted` in `loaded`, -1 where a band is not there.
std::vector<int> channels_of(const std::vector<std::string>& wanted, const std::vector<std::string>& loaded) {
  std::vector<int> channels;
  for (const std::string& band : wanted) {
    const auto found = std::find(loaded.begin(), loaded.end(), band);
    channels.push_back(found == loaded.end() ? -1 : static_cast<int>(found - loaded.begin()));
  }
  return channels;
}

std::shared_ptr<const std::vector<std::uint8_t>> read_products(const std::filesystem::path& corpus) {
  const corpus::IndexReader index(corpus / "index.h5");
  return std::make_shared<const std::vector<std::uint8_t>>(
      index.read(0, index.rows(), corpus::kS2Type).s2_type);
}

at::Tensor gather_channels(const at::Tensor& block, const std::vector<int>& channels) {
  std::vector<at::Tensor> bands;
  for (const int channel : channels) {
    bands.push_back(channel < 0 ? at::zeros_like(block.select(1, 0)) : block.select(1, channel));
  }
  return at::stack(bands, 1);
}

/// bool [B] on the CPU: whether any value is known.
at::Tensor any_known(const at::Tensor& block) { return block.isfinite().flatten(1).any(1).to(at::kCPU); }

}  // namespace

TerrafmSetup fit_terrafm(const PretrainConfig& config, const corpus::Manifest& manifest,
                         const std::vector<std::uint64_t>& tiles) {
  const corpus::Schema& schema = manifest.schema;
  if (manifest.index_only) {
    throw UsageError("the corpus is an index without shards: there is nothing to train on",
                     {"fit the model to the corpus", "corpus", "build one with terramill corpus build"});
  }
  if (schema.height != schema.width) {
    throw UsageError("TerraFM's crops need square tiles, not " + std::to_string(schema.height) + " x " +
                         std::to_string(schema.width),
                     {"fit the model to the corpus", "corpus", "build it with another --tile-size"});
  }
  TerrafmSetup setup;
  setup.window = schema.height;
  std::vector<Sensor> wanted;
  for (const std::string& name : split_list(config.terrafm.sensors))
    wanted.push_back(model::sensor_from(name));
  const auto is_wanted = [&](Sensor sensor) {
    return wanted.empty() || std::find(wanted.begin(), wanted.end(), sensor) != wanted.end();
  };

  const std::map<std::string, std::string>& chosen = config.model.input;
  const bool chooses =
      std::any_of(chosen.begin(), chosen.end(), [](const auto& option) { return !option.second.empty(); });

  for (const Feed& feed : feeds_of(schema.name)) {
    const auto option = chosen.find(feed.modality);
    const std::string text = option == chosen.end() ? "" : option->second;
    if (chooses && text.empty()) continue;
    const std::vector<std::string> only = text == "all" ? std::vector<std::string>{} : split_list(text);
    const Modality* modality = schema.find(feed.modality);
    const int index = schema.index_of(feed.modality);
    const bool there = modality != nullptr && tiles.at(static_cast<std::size_t>(index)) > 0;
    loader::Request request{feed.modality, {}, loader::Form::kNormalised};
    bool used = false;
    for (const Sensor sensor : feed.sensors) {
      if (!is_wanted(sensor)) continue;
      if (!there) {
        if (!wanted.empty()) {
          throw UsageError("no tile of the corpus has the sensor \"" + std::string(name_of(sensor)) + "\"",
                           {"choose the model's sensors", "terrafm.sensors", "see terramill corpus info"});
        }
        setup.idle.emplace_back(name_of(sensor));
        continue;
      }
      if (!used) {
        for (const auto* bands : {&feed.bands, &feed.second}) {
          for (const std::string& band : *bands) {
            const bool asked = only.empty() || std::find(only.begin(), only.end(), band) != only.end();
            if (asked && modality->band_index(band) >= 0) request.bands.push_back(band);
          }
        }
        if (request.bands.empty()) {
          throw UsageError("no stem of TerraFM takes any of the bands " + text,
                           {"choose bands", "input." + feed.modality, "docs/fidelity.md lists them"});
        }
        used = true;
      }
      SensorSource source;
      source.sensor = sensor;
      source.request = setup.requests.size();
      source.channels = channels_of(feed.bands, request.bands);
      if (!feed.second.empty()) source.second = channels_of(feed.second, request.bands);
      if (feed.sensors.size() > 1) {
        source.product = sensor == Sensor::kS2L1c ? corpus::S2Type::kL1C : corpus::S2Type::kL2A;
      }
      if (sensor == Sensor::kS2L2a && config.terrafm.s2_stem == "l1c") source.sensor = Sensor::kS2L1c;
      setup.sources.push_back(std::move(source));
    }
    if (used) setup.requests.push_back(std::move(request));
  }
  if (setup.sources.empty()) {
    throw UsageError("the corpus has no modality that TerraFM takes: Sentinel-1 or Sentinel-2",
                     {"fit the model to the corpus", "corpus", "see terramill corpus info"});
  }
  const bool by_product = std::any_of(setup.sources.begin(), setup.sources.end(), [](const SensorSource& s) {
    return s.product != corpus::S2Type::kNone;
  });
  if (by_product) setup.products = read_products(config.corpus);

  const TerrafmOptions& o = config.terrafm;
  setup.model = model::terrafm_size(config.model.size);
  setup.model.image_size = config.model.image_size;
  setup.model.patch_size = config.model.patch_size;
  if (o.embed_dim > 0) setup.model.embed_dim = o.embed_dim;
  if (o.depth > 0) setup.model.depth = o.depth;
  if (o.heads > 0) setup.model.heads = o.heads;
  setup.model.drop_path = o.drop_path;
  setup.model.fusion_queries = o.fusion_queries;
  setup.model.fusion_heads = o.fusion_heads;
  model::check(setup.model);
  return setup;
}

model::SensorImages sensor_images(const loader::MicroBatch& loaded, const TerrafmSetup& setup,
                                  c10::Device device, at::ScalarType dtype, std::vector<at::Tensor> blocks) {
  const torch::NoGradGuard no_grad;
  model::SensorImages result;
  result.present = at::zeros({loaded.size(), static_cast<std::int64_t>(model::kSensors)}, at::kBool);
  if (blocks.empty()) blocks = host_blocks(loaded);
  for (at::Tensor& block : blocks) {
    block = block.to(device, dtype, /*non_blocking=*/false, /*copy=*/block.is_cpu());
  }
  for (const SensorSource& source : setup.sources) {
    const at::Tensor& block = blocks.at(source.request);
    at::Tensor images = gather_channels(block, source.channels), known = any_known(images);
    if (!source.second.empty()) {
      const at::Tensor other = gather_channels(block, source.second);
      images = at::where(known.to(device).view({-1, 1, 1, 1}), images, other);
      known = known.logical_or(any_known(other));
    }
    const std::vector<std::uint8_t>& present = loaded.blocks.at(source.request).present;
    known = known.contiguous();
    auto* counts = known.mutable_data_ptr<bool>();
    for (std::size_t b = 0; b < present.size(); ++b) {
      const bool product =
          source.product == corpus::S2Type::kNone ||
          setup.products->at(loaded.index_rows[b]) == static_cast<std::uint8_t>(source.product);
      counts[b] = counts[b] && present[b] != 0 && product;
    }
    if (!known.any().item<bool>()) continue;
    images = at::nan_to_num(images, 0.0, 0.0, 0.0);
    // Two sources feed one stem where s2_stem = l1c; a tile with both products shows the later one's, L1C.
    at::Tensor& slot = result[source.sensor];
    slot = slot.defined() ? at::where(known.to(device).view({-1, 1, 1, 1}), images, slot) : images;
    at::Tensor column = result.present.select(1, static_cast<std::int64_t>(source.sensor));
    column.logical_or_(known);
  }
  const auto first = std::find_if(result.images.begin(), result.images.end(),
                                  [](const at::Tensor& image) { return image.defined(); });
  if (first == result.images.end()) {
    const SensorSource& source = setup.sources.front();
    const at::Tensor& block = blocks.at(source.request);
    result[source.sensor] = at::zeros_like(gather_channels(block, source.channels));
    result.present.select(1, static_cast<std::int64_t>(source.sensor)).fill_(true);
  } else {
    const at::Tensor none = result.present.any(1).logical_not();
    result.present.select(1, first - result.images.begin()).logical_or_(none);
  }
  return result;
}

}  // namespace terramill::train
