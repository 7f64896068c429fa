#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/corpus/manifest.hpp>

#include <algorithm>
#include <cerrno>

namespace terramill::corpus {
namespace {

constexpr std::size_t kDigits = 16;
constexpr std::string_view kSelfHash = R"("xxh3": ")";

Json to_json(const ShardEntry& shard) {
  return {{"tiles", shard.tiles},
          {"bytes", shard.bytes},
          {"xxh3", to_hex(shard.xxh3)},
          {"idx_xxh3", to_hex(shard.idx_xxh3)},
          {"content", to_hex(shard.content)}};
}

ShardEntry shard_from_json(const Json& json, const std::string& origin) {
  const auto hash = [&](const char* key) { return from_hex(json_get<std::string>(json, key, origin)); };
  return {json_get<std::uint64_t>(json, "tiles", origin), json_get<std::uint64_t>(json, "bytes", origin),
          hash("xxh3"), hash("idx_xxh3"), hash("content")};
}

/// The hash of the text with the digits of its last member set to zero; `stored` receives these digits.
std::uint64_t self_hash(std::string text, const std::string& origin, std::string& stored) {
  const std::size_t at = text.rfind(kSelfHash);
  if (at == std::string::npos || text.size() < at + kSelfHash.size() + kDigits) {
    throw FormatError(origin + " does not end with its own hash", {"read a manifest", origin, ""});
  }
  stored = text.substr(at + kSelfHash.size(), kDigits);
  text.replace(at + kSelfHash.size(), kDigits, kDigits, '0');
  return xxh3(text);
}

std::filesystem::path numbered(const std::filesystem::path& corpus, std::uint64_t shard,
                               const char* extension) {
  std::string digits = std::to_string(shard);
  digits.insert(0, digits.size() < 5 ? 5 - digits.size() : 0, '0');
  return corpus / "shards" / ("shard-" + digits + extension);
}

void demand_manifest(const std::filesystem::path& corpus, const std::filesystem::path& path) {
  if (std::filesystem::exists(path)) return;
  const bool unfinished = std::filesystem::exists(corpus / ".build");
  throw IoError(unfinished ? corpus.string() + " is an unfinished build" : corpus.string() + " is no corpus",
                ENOENT,
                {"read a manifest", path.string(),
                 unfinished ? "give the same `terramill corpus build` again: it builds what is missing"
                            : "name a folder that `terramill corpus build` wrote"});
}

}  // namespace

std::string to_text(const Manifest& manifest) {
  Json json;
  json["format"] = "terramill corpus";
  json["format_version"] = manifest.format_version;
  json["tiles"] = manifest.tiles;
  json["quarantined"] = manifest.quarantined;
  json["content"] = to_hex(manifest.content);
  json["reference"] = manifest.reference;
  json["index_only"] = manifest.index_only;
  json["synthetic"] = manifest.synthetic;
  json["schema"] = corpus::to_json(manifest.schema);
  json["codec"] = {
      {"name", name_of(manifest.codec)}, {"level", manifest.level}, {"library", manifest.codec_library}};
  json["source"] = manifest.source;
  json["options"] = manifest.options;
  json["label_names"] = manifest.label_names;
  json["shard_tiles"] = manifest.shard_tiles;
  json["shards"] = Json::array();
  for (const ShardEntry& shard : manifest.shards) json["shards"].push_back(to_json(shard));
  json["index_xxh3"] = to_hex(manifest.index_xxh3);
  json["statistics_xxh3"] = to_hex(manifest.statistics_xxh3);
  json["quarantine_xxh3"] = to_hex(manifest.quarantine_xxh3);
  json["xxh3"] = std::string(kDigits, '0');
  std::string text = dump_json(json, 1) + "\n";
  std::string zeros;
  const std::string digits = to_hex(self_hash(text, kManifestFile, zeros));
  text.replace(text.rfind(kSelfHash) + kSelfHash.size(), kDigits, digits);
  return text;
}

Manifest read_manifest(const std::filesystem::path& corpus) {
  const auto path = corpus / kManifestFile;
  demand_manifest(corpus, path);
  const std::string origin = path.string();
  const std::string text = read_text(path);
  std::string stored;
  if (to_hex(self_hash(text, origin, stored)) != stored) {
    throw IntegrityError(origin + " does not agree with its own hash: it was altered or damaged",
                         {"read a manifest", origin, "restore it from a copy, or build the corpus again"});
  }
  const Json json = parse_json(text, origin);
  const auto hash = [&](const char* key) { return from_hex(json_get<std::string>(json, key, origin)); };
  Manifest manifest;
  manifest.format_version = json_get<int>(json, "format_version", origin);
  if (manifest.format_version != 1) {
    throw FormatError(origin + " has format version " + std::to_string(manifest.format_version) + ", not 1",
                      {"read a manifest", origin, "read it with the release that wrote it"});
  }
  manifest.tiles = json_get<std::uint64_t>(json, "tiles", origin);
  manifest.quarantined = json_get<std::uint64_t>(json, "quarantined", origin);
  manifest.content = hash("content");
  manifest.reference = json_get<bool>(json, "reference", origin);
  manifest.index_only = json_get<bool>(json, "index_only", origin);
  manifest.synthetic = json_get<bool>(json, "synthetic", origin);
  manifest.schema = schema_from_json(json_get<Json>(json, "schema", origin), origin);
  const Json codec = json_get<Json>(json, "codec", origin);
  manifest.codec = codec_from(json_get<std::string>(codec, "name", origin));
  manifest.level = json_get<int>(codec, "level", origin);
  manifest.codec_library = json_get<std::string>(codec, "library", origin);
  manifest.source = json_get<Json>(json, "source", origin);
  manifest.options = json_get<Json>(json, "options", origin);
  manifest.label_names = json_get<std::vector<std::string>>(json, "label_names", origin);
  manifest.shard_tiles = json_get<std::uint64_t>(json, "shard_tiles", origin);
  for (const Json& shard : json_get<Json>(json, "shards", origin)) {
    manifest.shards.push_back(shard_from_json(shard, origin));
  }
  manifest.index_xxh3 = hash("index_xxh3");
  manifest.statistics_xxh3 = hash("statistics_xxh3");
  manifest.quarantine_xxh3 = hash("quarantine_xxh3");
  return manifest;
}

std::filesystem::path shard_path(const std::filesystem::path& corpus, std::uint64_t shard) {
  return numbered(corpus, shard, ".h5");
}

std::filesystem::path shard_index_path(const std::filesystem::path& corpus, std::uint64_t shard) {
  return numbered(corpus, shard, ".idx");
}

}  // namespace terramill::corpus
