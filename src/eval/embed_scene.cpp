#include "principal_components.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/fault_points.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/json.hpp>
#include <terramill/core/progress.hpp>
#include <terramill/corpus/index.hpp>
#include <terramill/corpus/manifest.hpp>
#include <terramill/corpus/statistics.hpp>
#include <terramill/eval/embed_scene.hpp>
#include <terramill/geo/cog.hpp>
#include <terramill/loader/convert_tiles.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>
#include <optional>
#include <system_error>

#include <torch/torch.h>

namespace terramill::eval {
namespace {

namespace fs = std::filesystem;

constexpr int kWindow = 224;  // what TerraFM is trained on

/// Upper left pixels of the windows along one axis: every `stride` pixels, the last so that it ends with the
/// last whole patch.
std::vector<int> origins(int length, int window, int stride, int patch) {
  std::vector<int> list;
  const int last = (length - window) / patch * patch;
  for (int at = 0; at < last; at += stride) list.push_back(at);
  list.push_back(last);
  return list;
}

struct Place {
  int column, row;
};

/// The map under construction, on rank 0.
class FeatureMap {
 public:
  FeatureMap(std::int64_t width, std::int64_t rows, std::int64_t columns, std::int64_t side)
      : sum_(at::zeros({width, rows, columns})),
        weight_(at::zeros({rows, columns})),
        valid_(at::zeros({rows, columns}, at::kBool)),
        side_(side) {
    const at::Tensor steps = (at::arange(side, at::kDouble) + 0.5) / static_cast<double>(side);
    const at::Tensor edge = at::sin(steps * std::numbers::pi).square();
    smooth_ = at::outer(edge, edge).to(at::kFloat);
  }

  /// Adds a window at patch (row, column): features [d, side, side], and which patches have data.
  void add(const at::Tensor& features, const at::Tensor& valid, std::int64_t row, std::int64_t column) {
    const auto part = [&](const at::Tensor& of) {
      return of.slice(-2, row, row + side_).slice(-1, column, column + side_);
    };
    part(sum_).add_(features * smooth_);
    part(weight_).add_(smooth_);
    part(valid_).logical_or_(valid);
  }

  /// [d, rows, columns]; NaN where nothing is valid.
  at::Tensor mean() const {
    return (sum_ / weight_).masked_fill(valid_.logical_not(), std::numeric_limits<float>::quiet_NaN());
  }
  std::int64_t empty() const { return valid_.logical_not().sum().item<std::int64_t>(); }

 private:
  at::Tensor sum_, weight_, valid_, smooth_;
  std::int64_t side_;
};

/// Which patches of each sample have a valid pixel in any band of any request: bool [B, side, side].
at::Tensor valid_patches(const loader::MicroBatch& batch, std::int64_t patch) {
  at::Tensor valid;
  for (const loader::Block& block : batch.blocks) {
    if (block.shape.size() != 4 || block.floats.empty()) continue;
    const at::Tensor values = at::from_blob(block.floats.data(), block.shape, at::kFloat);
    const at::Tensor pixels = values.isfinite().any(1, true).to(at::kFloat);
    const at::Tensor patches = at::max_pool2d(pixels, patch).squeeze(1) > 0;
    valid = valid.defined() ? valid.logical_or(patches) : patches;
  }
  return valid;
}

std::string pack(const at::Tensor& tensor) {
  const at::Tensor whole = tensor.contiguous();
  return {static_cast<const char*>(whole.const_data_ptr()), whole.nbytes()};
}

/// Features and validity of the windows [begin, end), one after the other.
std::string compute(const FeatureModel& model, corpus::RasterScene& scene, std::span<const Place> places) {
  if (places.empty()) return "";
  std::vector<corpus::Tile> tiles;
  for (const Place& place : places) tiles.push_back(scene.read(place.column, place.row));
  const loader::MicroBatch batch = loader::convert_tiles(scene.schema(), model.requests(), model.statistics(),
                                                         loader::NoDataMode::kFixed, tiles);
  const at::Tensor features = model.dense(batch).to(at::kFloat);
  return pack(features) + pack(valid_patches(batch, model.patch_size()).to(at::kFloat));
}

void add_windows(FeatureMap& map, const std::string& packed, std::span<const Place> places,
                 std::int64_t width, std::int64_t side, int patch) {
  const auto count = static_cast<std::int64_t>(places.size());
  std::vector<float> values(packed.size() / sizeof(float));
  std::memcpy(values.data(), packed.data(), packed.size());
  const std::int64_t split = count * width * side * side;
  const at::Tensor features = at::from_blob(values.data(), {count, width, side, side}, at::kFloat);
  const at::Tensor valid = at::from_blob(values.data() + split, {count, side, side}, at::kFloat) > 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const Place& place = places[static_cast<std::size_t>(i)];
    map.add(features[i], valid[i], place.row / patch, place.column / patch);
  }
}

/// A pixel of the map is a patch of the scene.
geo::Grid map_grid(const geo::Grid& scene, int patch) {
  geo::Grid grid = scene;
  grid.width = scene.width / patch;
  grid.height = scene.height / patch;
  for (const int i : {1, 2, 4, 5}) grid.transform[static_cast<std::size_t>(i)] *= patch;
  return grid;
}

void write_map(const at::Tensor& values, const FeatureModel& model, const corpus::RasterScene& scene,
               const SceneOptions& options, const SceneSummary& summary) {
  geo::GeoTiffOptions output;
  output.no_data = std::numeric_limits<double>::quiet_NaN();
  for (int band = 0; band < summary.bands; ++band) {
    output.band_names.push_back((options.components > 0 ? "component " : "feature ") + std::to_string(band));
  }
  output.metadata = {{"TERRAMILL_MODEL", to_hex(model.weights_hash())},
                     {"TERRAMILL_FAMILY", model.family()},
                     {"TERRAMILL_SCENE", scene.id()},
                     {"TERRAMILL_PATCH_SIZE", std::to_string(model.patch_size())},
                     {"TERRAMILL_WINDOW", std::to_string(scene.schema().width)}};
  if (!scene.date().empty()) output.metadata.emplace_back("DATE", scene.date());
  if (options.components > 0)
    output.metadata.emplace_back("TERRAMILL_EXPLAINED", dump_json(summary.explained));
  const at::Tensor whole = values.contiguous();
  geo::write_cog(options.output, summary.grid,
                 {whole.const_data_ptr<float>(), static_cast<std::size_t>(whole.numel())}, output);
}

/// Statistics that are wanted of the run: their keys, with NaN where a corpus has its own values.
Json wanted_statistics(const corpus::RasterScene& scene) {
  Json wanted = Json::object();
  for (std::size_t m = 0; m < scene.schema().modalities.size(); ++m) {
    const corpus::Modality& modality = scene.schema().modalities[m];
    if ((scene.present() >> m & 1u) == 0 || !corpus::has_statistics(modality)) continue;
    const std::vector<double> unknown(modality.bands.size(), std::numeric_limits<double>::quiet_NaN());
    for (const auto type : {corpus::S2Type::kNone, corpus::S2Type::kL1C, corpus::S2Type::kL2A}) {
      wanted[corpus::statistics_key(scene.schema(), modality, type)] = {
          {"mean", unknown}, {"std", unknown}, {"min", unknown}, {"max", unknown}};
    }
  }
  return wanted;
}

/// A folder that goes with the scope.
class ScratchFolder {
 public:
  explicit ScratchFolder(fs::path path) : path_(std::move(path)) { fs::create_directories(path_); }
  ~ScratchFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

 private:
  fs::path path_;
};

/// A corpus of one tile without values, which says what the scene has.
void describe_scene(const corpus::RasterScene& scene, const fs::path& folder) {
  corpus::Manifest manifest;
  manifest.schema = scene.schema();
  manifest.tiles = 1;
  corpus::TileRecord record;
  record.tile_id = scene.id();
  record.date = scene.date();
  record.present = scene.present();
  record.crs = scene.grid().crs;
  corpus::IndexWriter index(folder / corpus::kIndexFile, 1, record.tile_id.size(), record.crs.size());
  index.append({&record, 1});
  index.finish();
  write_file_durably(folder / corpus::kStatisticsFile, dump_json(wanted_statistics(scene)) + "\n");
  write_file_durably(folder / corpus::kManifestFile, to_text(manifest));
}

}  // namespace

int scene_window(int wanted, int patch_size, const geo::Grid& scene) {
  const int most = std::min(scene.width, scene.height);
  const int window = wanted > 0 ? wanted : std::min(kWindow, most) / patch_size * patch_size;
  if (window < patch_size || window > most || window % patch_size != 0) {
    throw UsageError("a window of " + std::to_string(window) + " pixels does not suit patches of " +
                         std::to_string(patch_size) + " in a scene of " + std::to_string(scene.width) +
                         " x " + std::to_string(scene.height),
                     {"cut a scene into windows", "window",
                      "it is a multiple of the patch size, and no larger than the scene"});
  }
  return window;
}

std::unique_ptr<FeatureModel> open_scene_model(const FeatureModelOptions& options,
                                               const corpus::RasterScene& scene, const fs::path& beside,
                                               const mpi::Communicator& comm) {
  const fs::path folder = beside.parent_path() / ("." + beside.filename().string() + ".scene");
  std::optional<ScratchFolder> scratch;
  mpi::all_or_none(comm, [&] {
    if (comm.rank() != 0) return;
    scratch.emplace(folder);
    describe_scene(scene, folder);
  });
  auto model = open_feature_model(options, folder, comm);
  comm.barrier();
  return model;
}

SceneSummary embed_scene(const mpi::Communicator& comm, const FeatureModel& model, corpus::RasterScene& scene,
                         const SceneOptions& options) {
  const torch::NoGradGuard no_grad;
  const int patch = model.patch_size(), window = scene.schema().width;
  const int stride = options.stride > 0 ? options.stride : std::max(patch, window / 2 / patch * patch);
  if (stride % patch != 0 || stride > window) {
    throw UsageError("a stride of " + std::to_string(stride) + " pixels leaves gaps or parts patches",
                     {"cut a scene into windows", "stride",
                      "it is a multiple of the patch size " + std::to_string(patch) +
                          ", and no larger than the window of " + std::to_string(window)});
  }
  if (options.micro_batch_size < 1 || options.intra_op_threads < 1 || options.components < 0) {
    throw UsageError("windows at once and threads are at least 1, components at least 0",
                     {"embed a scene", "batch-size", ""});
  }
  at::set_num_threads(options.intra_op_threads);
  std::vector<Place> places;
  for (const int row : origins(scene.grid().height, window, stride, patch)) {
    for (const int column : origins(scene.grid().width, window, stride, patch))
      places.push_back({column, row});
  }
  SceneSummary summary;
  summary.windows = places.size();
  summary.grid = map_grid(scene.grid(), patch);
  const std::int64_t width = model.width(), side = window / patch;
  const bool root = comm.rank() == 0;
  FeatureMap map(root ? width : 0, root ? summary.grid.height : 0, root ? summary.grid.width : 0, side);

  const auto batch = static_cast<std::size_t>(options.micro_batch_size);
  const auto part = [&](std::size_t number) {
    const std::size_t begin = std::min(number * batch, places.size());
    return std::span<const Place>(places).subspan(begin, std::min(batch, places.size() - begin));
  };
  const auto ranks = static_cast<std::size_t>(comm.size()), rank = static_cast<std::size_t>(comm.rank());
  Progress progress("embed", summary.windows, "windows");
  std::int64_t unit = 0;
  for (std::size_t first = 0; first * batch < places.size(); first += ranks) {
    fault_points::begin_unit(++unit);
    const auto all = comm.gather(compute(model, scene, part(first + rank)));
    for (std::size_t from = 0; from < all.size(); ++from) {
      const auto done = part(first + from);
      if (done.empty()) continue;
      add_windows(map, all[from], done, width, side, patch);
      progress.add(done.size());
    }
  }
  if (root) {
    at::Tensor values = map.mean();
    if (options.components > 0) {
      const Components components = principal_components(values.flatten(1), options.components);
      summary.explained = components.explained;
      values = components.values.reshape({options.components, summary.grid.height, summary.grid.width});
    }
    summary.bands = static_cast<int>(values.size(0));
    summary.patches = static_cast<std::uint64_t>(values.size(1) * values.size(2));
    summary.empty_patches = static_cast<std::uint64_t>(map.empty());
    write_map(values, model, scene, options, summary);
  }
  comm.barrier();
  return summary;
}

}  // namespace terramill::eval
