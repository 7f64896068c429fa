#include "commands.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/json.hpp>
#include <terramill/core/options.hpp>
#include <terramill/corpus/find_tile.hpp>
#include <terramill/corpus/manifest.hpp>
#include <terramill/corpus/shard_file.hpp>
#include <terramill/geo/image.hpp>
#include <terramill/report/tile_sheet.hpp>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <ostream>
#include <string>
#include <vector>

namespace terramill::cli {
namespace {

using corpus::DType;

template <typename T>
void write_as(const std::filesystem::path& path, const geo::Grid& grid, const std::vector<std::byte>& values,
              const geo::GeoTiffOptions& options) {
  std::vector<T> typed(values.size() / sizeof(T));
  std::memcpy(typed.data(), values.data(), values.size());
  geo::write_geotiff<T>(path, grid, typed, options);
}

/// The modality as a GeoTIFF in the type in which it is stored.
void write_modality(const std::filesystem::path& path, const geo::Grid& grid,
                    const corpus::Modality& modality, const corpus::Tile& tile,
                    const std::vector<std::byte>& values) {
  geo::GeoTiffOptions options;
  options.no_data = modality.no_data;
  for (const corpus::Band& band : modality.bands) options.band_names.push_back(band.name);
  options.metadata = {{"TILE_ID", tile.record.tile_id}, {"MODALITY", modality.name}};
  if (!tile.record.date.empty()) options.metadata.emplace_back("DATE", tile.record.date);
  switch (modality.dtype) {
    case DType::kUInt8:
      return write_as<std::uint8_t>(path, grid, values, options);
    case DType::kInt8:
      return write_as<std::int8_t>(path, grid, values, options);
    case DType::kUInt16:
      return write_as<std::uint16_t>(path, grid, values, options);
    case DType::kInt16:
      return write_as<std::int16_t>(path, grid, values, options);
    case DType::kFloat32:
      return write_as<float>(path, grid, values, options);
  }
}

std::vector<std::string> write_geotiffs(const std::filesystem::path& folder, const corpus::Schema& schema,
                                        const corpus::Tile& tile) {
  std::filesystem::create_directories(folder);
  const geo::Grid grid{schema.width, schema.height, tile.record.transform, tile.record.crs};
  std::vector<std::string> files;
  for (std::size_t m = 0; m < schema.modalities.size(); ++m) {
    const corpus::Modality& modality = schema.modalities[m];
    if (!modality.pixel || (tile.record.present >> m & 1u) == 0) continue;
    const std::filesystem::path path = folder / (modality.name + ".tif");
    write_modality(path, grid, modality, tile, tile.values[m]);
    files.push_back(path.string());
  }
  return files;
}

Json labels_of(const corpus::TileRecord& record, const std::vector<std::string>& names) {
  Json labels = Json::array();
  for (std::size_t c = 0; c < names.size(); ++c) {
    const bool among = c < 64 && (record.label_bits >> c & 1u) != 0;
    if (among || static_cast<std::int64_t>(c) == record.label) labels.push_back(names[c]);
  }
  return labels;
}

Json describe(const corpus::Manifest& manifest, const corpus::Tile& tile, std::uint64_t row) {
  const corpus::TileRecord& record = tile.record;
  const char* const splits[] = {"train", "validation", "test"};
  Json modalities = Json::array();
  for (std::size_t m = 0; m < manifest.schema.modalities.size(); ++m) {
    const corpus::Modality& modality = manifest.schema.modalities[m];
    const bool present = (record.present >> m & 1u) != 0;
    Json one = {{"name", modality.name}, {"present", present}, {"dtype", name_of(modality.dtype)}};
    const std::vector<float> numbers = report::numbers_of(modality, tile.values[m]);
    if (modality.pixel) {
      one["shape"] = {modality.channels(), manifest.schema.height, manifest.schema.width};
    } else if (present && modality.kind == corpus::Kind::kOneHot) {
      const auto found = std::ranges::find(numbers, 1.0f);
      one["class"] = found == numbers.end() ? -1 : found - numbers.begin();
    } else if (present) {
      one["values"] = numbers;
    }
    modalities.push_back(std::move(one));
  }
  return {{"tile_id", record.tile_id},
          {"row", row},
          {"shard", record.shard},
          {"shard_row", record.row},
          {"lon", record.lon},
          {"lat", record.lat},
          {"crs", record.crs},
          {"transform", record.transform},
          {"date", record.date},
          {"s2_type", corpus::name_of(record.s2_type)},
          {"biome", record.biome},
          {"eco_region", record.eco_region},
          {"cloud", record.cloud},
          {"split", splits[static_cast<std::size_t>(record.split) % 3]},
          {"label", record.label},
          {"labels", labels_of(record, manifest.label_names)},
          {"land_cover", record.land_cover},
          {"modalities", modalities}};
}

void print(std::ostream& out, const Json& tile) {
  for (const char* key : {"tile_id", "row", "date", "lon", "lat", "crs", "split", "labels"}) {
    const Json& value = tile[key];
    out << key << std::string(10 - std::strlen(key), ' ')
        << (value.is_string() ? value.get<std::string>() : dump_json(value)) << '\n';
  }
  std::string present, absent;
  for (const Json& modality : tile["modalities"]) {
    std::string& list = modality["present"].get<bool>() ? present : absent;
    list += (list.empty() ? "" : ", ") + modality["name"].get<std::string>();
  }
  out << "has       " << present << '\n';
  if (!absent.empty()) out << "lacks     " << absent << '\n';
  if (!tile["picture"].get<std::string>().empty())
    out << "written   " << tile["picture"].get<std::string>() << '\n';
  for (const Json& file : tile["geotiffs"]) out << "written   " << file.get<std::string>() << '\n';
}

}  // namespace

int tile_show(const Context& context, const std::vector<std::string>& arguments) {
  std::string corpus, id, output, geotiff;
  std::int64_t row = -1;
  OptionTable table("terramill tile show CORPUS ID | --row N [--output PNG] [--geotiff FOLDER]",
                    "Draws all pixel modalities of a tile as one picture, and writes them as GeoTIFFs.");
  table.positional("corpus", &corpus, "folder of the corpus");
  table.positional("id", &id, "id of the tile", false);
  table.add("row", &row, "the tile's row of the index, in place of its id");
  table.add("output", &output, "PNG file of the picture; empty: none", "path");
  table.add("geotiff", &geotiff, "folder for a GeoTIFF of each pixel modality; empty: none", "path");
  if (!context.faults.read(table, arguments, context.out, "tile show"))
    return static_cast<int>(ExitCode::kDone);
  if (id.empty() == (row < 0)) {
    throw UsageError("either the tile's id or --row is needed", {"read the command line", "id", ""});
  }
  if (context.world.rank() != 0) return static_cast<int>(ExitCode::kDone);

  const corpus::Manifest manifest = corpus::read_manifest(corpus);
  const std::uint64_t index_row =
      id.empty() ? static_cast<std::uint64_t>(row) : corpus::find_tile(corpus, id);
  const corpus::Tile tile = corpus::read_tile(corpus, manifest, index_row);
  Json result = describe(manifest, tile, index_row);
  result["picture"] = output;
  result["geotiffs"] = Json::array();
  if (!output.empty()) {
    const report::Picture sheet = report::draw_tile_sheet(manifest.schema, tile);
    geo::write_png(output, sheet.width, sheet.height, sheet.pixels);
  }
  if (!geotiff.empty()) result["geotiffs"] = write_geotiffs(geotiff, manifest.schema, tile);
  if (table.json()) {
    context.out << dump_json(result) << '\n';
  } else {
    print(context.out, result);
  }
  return static_cast<int>(ExitCode::kDone);
}

}  // namespace terramill::cli
