#include "virtual_file.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/corpus/index.hpp>
#include <terramill/corpus/manifest.hpp>
#include <terramill/corpus/shard_file.hpp>
#include <terramill/corpus/view.hpp>

#include <algorithm>
#include <map>

namespace terramill::corpus {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kBlock = 65536;

/// The names that torchgeo's MMEarth looks for, and one that the official reader's patterns match.
const std::map<std::string, std::string>& names() {
  static const std::map<std::string, std::string> table = {{"mmearth", "data_terramill"},
                                                           {"MMEarth", "data_1M_v001"},
                                                           {"MMEarth64", "data_1M_v001_64"},
                                                           {"MMEarth100k", "data_100k_v001"}};
  return table;
}

Json info_of(const TileRecord& record) {
  return {{"S2_DATE", record.date.empty() ? "1970-01-01" : record.date},
          {"S2_type", name_of(record.s2_type)},
          {"CRS", record.crs},
          {"lat", record.lat},
          {"lon", record.lon},
          {"biome", record.biome},
          {"eco_region", record.eco_region}};
}

void write_tile_info(const fs::path& path, const IndexReader& index) {
  FileDescriptor file = FileDescriptor::create(temporary_name(path));
  std::string text = "{";
  const char* separator = "";
  for (std::uint64_t begin = 0; begin < index.rows(); begin += kBlock) {
    for (const TileRecord& record : index.read_records(begin, std::min(kBlock, index.rows() - begin))) {
      text += separator + dump_json(record.tile_id) + ": " + dump_json(info_of(record));
      separator = ", ";
    }
    file.write(std::as_bytes(std::span(text)));
    text.clear();
  }
  file.write(std::as_bytes(std::span(std::string_view("}\n"))));
  file.close();
  publish(temporary_name(path), path);
}

void write_splits(const fs::path& path, const IndexReader& index) {
  std::map<std::uint8_t, std::string> rows;
  for (std::uint64_t begin = 0; begin < index.rows(); begin += kBlock) {
    const IndexColumns columns = index.read(begin, std::min(kBlock, index.rows() - begin), kSplit);
    for (std::size_t i = 0; i < columns.count; ++i) {
      std::string& list = rows[columns.split[i]];
      list += (list.empty() ? "" : ", ") + std::to_string(begin + i);
    }
  }
  write_file_durably(
      path, "{\"train\": [" + rows[0] + "], \"val\": [" + rows[1] + "], \"test\": [" + rows[2] + "]}\n");
}

}  // namespace

std::vector<std::string> view_kinds() {
  std::vector<std::string> kinds;
  for (const auto& [kind, name] : names()) kinds.push_back(kind);
  return kinds;
}

void make_view(const fs::path& corpus, const std::string& kind, const fs::path& output) {
  const ErrorContext context{"make a view", corpus.string(), ""};
  const auto name = names().find(kind);
  if (name == names().end()) throw UsageError("there is no view \"" + kind + "\"", context);
  const Manifest manifest = read_manifest(corpus);
  if (manifest.schema.name != "mmearth") {
    throw UsageError("a view needs a corpus of schema mmearth, this one has " + manifest.schema.name,
                     context);
  }
  if (manifest.index_only || manifest.tiles == 0) throw UsageError("the corpus holds no tiles", context);
  if (fs::exists(output) && !(fs::is_directory(output) && fs::is_empty(output))) {
    throw UsageError(output.string() + " is not an empty folder",
                     {"make a view", output.string(), "name a new folder"});
  }
  const fs::path folder = kind == "mmearth" ? output : output / name->second;
  std::error_code code;
  fs::create_directories(folder, code);
  if (code)
    throw IoError("cannot create the folder " + folder.string(), code.value(),
                  {"make a view", folder.string(), ""});
  const fs::path root = fs::canonical(corpus);
  const auto file = [&](const char* suffix) { return folder / (name->second + suffix); };
  const IndexReader index(root / kIndexFile);
  if (manifest.shards.size() == 1) {
    fs::create_symlink(shard_path(root, 0), file(".h5"));
  } else {
    write_virtual_file(file(".h5"), root, manifest);
  }
  fs::create_symlink(root / kStatisticsFile, file("_band_stats.json"));
  write_splits(file("_splits.json"), index);
  write_tile_info(file("_tile_info.json"), index);
}

}  // namespace terramill::corpus
