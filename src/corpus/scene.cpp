#include "geotiff_mapping.hpp"
#include "geotiff_offset.hpp"
#include "geotiff_places.hpp"
#include "geotiff_reader.hpp"
#include "tile_values.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/options.hpp>
#include <terramill/corpus/scene.hpp>

#include <algorithm>
#include <optional>

namespace terramill::corpus {
namespace {

[[noreturn]] void refuse(const geo::RasterFault& fault) {
  throw FormatError(fault.reason, {"read a scene", fault.file, ""});
}

/// "B4" for "B04", the name itself otherwise.
std::string without_zero(const std::string& name) {
  return name.size() == 3 && name.starts_with("B0") ? "B" + name.substr(2) : name;
}

std::string listed(const std::vector<Place>& places) {
  constexpr std::size_t kMost = 8;
  std::string text;
  for (std::size_t i = 0; i < std::min(places.size(), kMost); ++i) text += (i > 0 ? ", " : "") + places[i].id;
  return places.size() > kMost ? text + " and " + std::to_string(places.size() - kMost) + " more" : text;
}

/// The descriptions of a file's bands, "-" for those that `modality` does not have.
std::vector<std::string> described_bands(const geo::Raster& raster, const Modality& modality) {
  std::vector<std::string> names;
  for (int band = 1; band <= raster.bands(); ++band) {
    const std::string name = without_zero(raster.band_name(band));
    names.push_back(modality.band_index(name) < 0 ? "-" : name);
  }
  return names;
}

MappedModality map_bands(const Modality& modality, std::size_t index, const std::vector<std::string>& bands,
                         const ErrorContext& context) {
  MappedModality mapped;
  mapped.index = index;
  mapped.section = modality.name;
  for (const std::string& name : bands) {
    MappedBand band{name, -1};
    if (name != "-") {
      band.channel = modality.band_index(without_zero(name));
      if (band.channel < 0) throw UsageError(modality.name + " has no band \"" + name + "\"", context);
    }
    mapped.bands.push_back(std::move(band));
  }
  if (std::ranges::none_of(mapped.bands, [](const MappedBand& band) { return band.channel >= 0; })) {
    throw UsageError("no band of the file is one of " + modality.name, context);
  }
  return mapped;
}

}  // namespace

struct RasterScene::State {
  State(Mapping mapping_, Place place_)
      : mapping(std::move(mapping_)), place(std::move(place_)), offsets(mapping, 1), rasters(mapping, place) {
    const auto whole = rasters.grid();
    if (!whole) refuse(whole.error());
    grid = *whole;
    for (std::size_t slot = 0; slot < mapping.modalities.size(); ++slot) {
      if (has(slot)) present |= 1u << mapping.modalities[slot].index;
    }
  }

  bool has(std::size_t slot) const { return !mapping.modalities[slot].by_position && rasters.has(slot); }

  Mapping mapping;
  Place place;
  Offsets offsets;
  PlaceRasters rasters;
  geo::Grid grid;
  std::uint32_t present = 0;
};

RasterScene::RasterScene(std::unique_ptr<State> state) : state_(std::move(state)) {}
RasterScene::~RasterScene() = default;
RasterScene::RasterScene(RasterScene&&) noexcept = default;
RasterScene& RasterScene::operator=(RasterScene&&) noexcept = default;

const std::string& RasterScene::id() const noexcept { return state_->place.id; }
const std::string& RasterScene::date() const noexcept { return state_->place.date; }
const geo::Grid& RasterScene::grid() const noexcept { return state_->grid; }
const Schema& RasterScene::schema() const noexcept { return state_->mapping.schema; }
std::uint32_t RasterScene::present() const noexcept { return state_->present; }

RasterScene RasterScene::open_mapped(const SourceOptions& options, const std::string& place) {
  Mapping mapping = read_mapping(options);
  std::vector<Place> places = find_places(mapping);
  const ErrorContext context{"open a scene", options.input.string(), "give --place one of " + listed(places)};
  if (place.empty() && places.size() != 1) {
    throw UsageError("the folder has " + std::to_string(places.size()) + " places", context);
  }
  const auto found = place.empty() ? places.begin() : std::ranges::find(places, place, &Place::id);
  if (found == places.end()) throw UsageError("the folder has no place \"" + place + "\"", context);
  return RasterScene(std::make_unique<State>(std::move(mapping), std::move(*found)));
}

RasterScene RasterScene::open_raster(const std::filesystem::path& file, const std::string& modality,
                                     const std::vector<std::string>& bands, int window) {
  const ErrorContext context{"open a scene", file.string(),
                             "give --bands the names in the file's order, and - for others"};
  Mapping mapping;
  mapping.schema = majortom_schema(window);
  const int index = mapping.schema.index_of(modality);
  if (index < 0) {
    throw UsageError("the schema majortom has no modality \"" + modality + "\"",
                     {"open a scene", modality, "s2_l1c, s2_l2a, s1_rtc, dem or land_cover"});
  }
  const auto raster = geo::Raster::open(file);
  if (!raster) refuse({file.string(), raster.error().reason});
  const auto slot = static_cast<std::size_t>(index);
  const Modality& what = mapping.schema.modalities[slot];
  const auto names = bands.empty() ? described_bands(*raster, what) : bands;
  if (static_cast<int>(names.size()) != raster->bands()) {
    throw UsageError("the file has " + std::to_string(raster->bands()) + " bands, but " +
                         std::to_string(names.size()) + " are named",
                     context);
  }
  mapping.root = file.parent_path();
  mapping.modalities.push_back(map_bands(what, slot, names, context));
  if (modality == "s2_l1c") mapping.s2_type = S2Type::kL1C;
  if (modality == "s2_l2a") mapping.s2_type = S2Type::kL2A;
  Place place;
  place.id = file.stem().string();
  place.files = {{file.filename().string()}, {}};  // behind the modality stands the cloud mask
  return RasterScene(std::make_unique<State>(std::move(mapping), std::move(place)));
}

void RasterScene::set_window(int edge) {
  if (edge < 1 || edge > std::min(state_->grid.width, state_->grid.height)) {
    throw UsageError("a window of " + std::to_string(edge) + " pixels does not fit the scene of " +
                         std::to_string(state_->grid.width) + " x " + std::to_string(state_->grid.height),
                     {"read a scene", state_->place.id, ""});
  }
  state_->mapping.schema.height = state_->mapping.schema.width = edge;
}

Tile RasterScene::read(int column, int row) {
  State& s = *state_;
  const Schema& schema = s.mapping.schema;
  const geo::Window window{column, row, schema.width, schema.height};
  if (column < 0 || row < 0 || column + schema.width > s.grid.width || row + schema.height > s.grid.height) {
    throw UsageError("the window leaves the scene", {"read a scene", s.place.id, "choose a smaller window"});
  }
  Tile tile;
  tile.record.tile_id = s.place.id;
  tile.record.date = s.place.date;
  tile.record.s2_type = s.mapping.s2_type;
  const geo::Grid grid = s.grid.window(column, row, schema.width, schema.height);
  tile.record.crs = grid.crs;
  if (s.grid.georeferenced()) tile.record.transform = grid.transform;
  fill_absent(schema, tile);
  for (std::size_t slot = 0; slot < s.mapping.modalities.size(); ++slot) {
    if (!s.has(slot)) continue;
    const auto offset = s.offsets.of(0, slot, s.rasters);
    if (!offset) refuse(offset.error());
    const auto any = read_modality(s.mapping, slot, *offset, s.grid, window, s.rasters, tile);
    if (!any) refuse(any.error());
    if (*any) mark_present(schema, s.mapping.modalities[slot].index, tile);
  }
  const auto holds = [&](std::string_view name) {
    const int index = schema.index_of(name);
    return index >= 0 && (s.present >> index & 1u) != 0;
  };
  if (holds("s2_l1c")) tile.record.s2_type = S2Type::kL1C;
  if (holds("s2_l2a")) tile.record.s2_type = S2Type::kL2A;
  return tile;
}

}  // namespace terramill::corpus
