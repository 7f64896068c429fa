#include "merge_inputs.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/log.hpp>
#include <terramill/corpus/index.hpp>

#include <algorithm>
#include <optional>
#include <sstream>
#include <tuple>

namespace terramill::corpus {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kBlock = 1 << 16;

Json without_offset_states(Schema schema) {
  for (Modality& modality : schema.modalities) modality.offset_state.clear();
  return to_json(schema);
}

/// What keeps two corpora apart, in words; empty where nothing does.
std::string difference(const Manifest& a, const Manifest& b) {
  const auto unlike = [](const std::string& what, const auto& one, const auto& other) {
    return what + " " + std::string(one) + " and " + std::string(other);
  };
  if (a.schema.name != b.schema.name) return unlike("their schemas are", a.schema.name, b.schema.name);
  if (a.schema.height != b.schema.height || a.schema.width != b.schema.width) {
    return unlike("their tile sizes are", std::to_string(a.schema.height), std::to_string(b.schema.height));
  }
  if (a.codec != b.codec) return unlike("their codecs are", name_of(a.codec), name_of(b.codec));
  if (a.reference != b.reference) {
    return unlike("they were built with --compat", a.reference ? "reference" : "none",
                  b.reference ? "reference" : "none");
  }
  const Json one = without_offset_states(a.schema), other = without_offset_states(b.schema);
  if (one == other) return "";
  for (const Modality& modality : a.schema.modalities) {
    const Modality* same = b.schema.find(modality.name);
    if (same == nullptr) return "only the first has the modality " + modality.name;
    const auto& left = one.at("modalities").at(static_cast<std::size_t>(a.schema.index_of(modality.name)));
    const auto& right = other.at("modalities").at(static_cast<std::size_t>(b.schema.index_of(modality.name)));
    if (left != right) return "they describe the modality " + modality.name + " differently";
  }
  return "their modalities are not the same, or not in the same order";
}

[[noreturn]] void refuse(const std::string& message, const std::string& advice) {
  throw UsageError(message, {"merge corpora", "the inputs", advice});
}

/// The schema of all inputs' tiles. "none" also stands for modalities that a corpus lacks, and says nothing
/// against values whose offset was taken off; UsageError where such values would meet others as delivered.
Schema joined_schema(const std::vector<MergeInput>& inputs) {
  Schema joined = inputs.front().manifest.schema;
  for (const MergeInput& input : inputs) {
    for (std::size_t m = 0; m < joined.modalities.size(); ++m) {
      std::string& state = joined.modalities[m].offset_state;
      const std::string& own = input.manifest.schema.modalities[m].offset_state;
      if (own == "none" || own == state) continue;
      if (state != "none") {
        const std::string& name = joined.modalities[m].name;
        refuse("the corpora cannot be joined: the values of " + name + " are " + state + " and, in " +
                   input.folder.string() + ", " + own,
               "give [modality." + name + "] an `offset` in the mappings of all, and build anew");
      }
      state = own;
    }
  }
  return joined;
}

/// Neighbours that one input trains on may be tested on by another.
void warn_of_splits(const std::vector<MergeInput>& inputs) {
  const auto split = [](const MergeInput& input) { return input.manifest.source.value("split", Json()); };
  for (const MergeInput& input : inputs) {
    if (split(input) == split(inputs.front())) continue;
    log::warn(
        "{} and {} drew their splits by different rules: neighbours of the two may lie in different splits",
        inputs.front().folder.string(), input.folder.string());
    return;
  }
}

int position_of(const std::string& name, std::vector<std::string>& names) {
  const auto found = std::find(names.begin(), names.end(), name);
  const auto at = static_cast<int>(found - names.begin());
  if (found == names.end()) names.push_back(name);
  return at;
}

std::string id_of(const MergeInput& input, std::uint64_t row) {
  return IndexReader(input.folder / kIndexFile).read(row, 1, kTileId).tile_id.front();
}

}  // namespace

std::vector<MergeInput> read_inputs(const std::vector<fs::path>& folders,
                                    std::vector<std::string>& label_names) {
  if (folders.size() < 2) refuse("a merge needs at least two corpora", "name them one after the other");
  std::vector<MergeInput> inputs;
  std::uint64_t shards = 0;
  for (const fs::path& folder : folders) {
    MergeInput& input = inputs.emplace_back();
    input.folder = folder;
    input.manifest = read_manifest(folder);
    input.manifest_xxh3 = xxh3_file(folder / kManifestFile);
    input.first_shard = shards;
    shards += input.manifest.shards.size();
    if (input.manifest.index_only) {
      refuse(folder.string() + " is an index without tiles", "merge corpora that `corpus build` wrote");
    }
    const std::string unlike = difference(inputs.front().manifest, input.manifest);
    if (!unlike.empty()) {
      refuse(inputs.front().folder.string() + " and " + folder.string() + " cannot be joined: " + unlike,
             "build one of them anew like the other");
    }
    for (const std::string& name : input.manifest.label_names) {
      input.label_of.push_back(position_of(name, label_names));
    }
  }
  joined_schema(inputs);
  return inputs;
}

void check_tables(const std::vector<MergeInput>& inputs) {
  for (const MergeInput& input : inputs) {
    for (const auto& [name, expected] : {std::pair(kIndexFile, input.manifest.index_xxh3),
                                         std::pair(kQuarantineFile, input.manifest.quarantine_xxh3)}) {
      if (xxh3_file(input.folder / name) == expected) continue;
      throw IntegrityError((input.folder / name).string() + " does not agree with the manifest",
                           {"merge corpora", input.folder.string(), "see `terramill corpus verify`"});
    }
  }
  warn_of_splits(inputs);
}

void refuse_duplicates(const std::vector<MergeInput>& inputs) {
  struct Place {
    std::uint64_t key, input, row;
  };
  std::vector<Place> places;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const IndexReader index(inputs[i].folder / kIndexFile);
    for (std::uint64_t at = 0; at < index.rows(); at += kBlock) {
      const auto block = index.read(at, std::min(kBlock, index.rows() - at), kTileKey);
      for (std::size_t k = 0; k < block.count; ++k) places.push_back({block.tile_key[k], i, at + k});
    }
  }
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
    return std::tie(a.key, a.input, a.row) < std::tie(b.key, b.input, b.row);
  });
  std::optional<std::pair<Place, Place>> first;  // a tile and the one before it of the same id
  for (std::size_t p = 1; p < places.size(); ++p) {
    for (std::size_t q = p; q-- > 0 && places[q].key == places[p].key;) {
      const Place &before = places[q], &here = places[p];
      if (before.input == here.input) continue;
      if (first && std::tie(first->first.input, first->first.row) <= std::tie(here.input, here.row)) continue;
      if (id_of(inputs[before.input], before.row) != id_of(inputs[here.input], here.row)) continue;
      first.emplace(here, before);
    }
  }
  if (!first) return;
  const MergeInput &here = inputs[first->first.input], &before = inputs[first->second.input];
  refuse("tile " + id_of(here, first->first.row) + " is in " + before.folder.string() + " and in " +
             here.folder.string(),
         "a tile may be in one of the corpora only");
}

std::vector<TileFault> read_quarantine(const MergeInput& input) {
  const std::string origin = (input.folder / kQuarantineFile).string();
  std::istringstream lines(read_text(origin));
  std::vector<TileFault> faults;
  for (std::string line; std::getline(lines, line);) {
    const Json json = parse_json(line, origin);
    faults.push_back({json_get<std::string>(json, "id", origin), json_get<std::string>(json, "file", origin),
                      json_get<std::string>(json, "reason", origin)});
  }
  if (faults.size() != input.manifest.quarantined) {
    throw IntegrityError(origin + " has " + std::to_string(faults.size()) + " lines, the manifest says " +
                             std::to_string(input.manifest.quarantined),
                         {"merge corpora", input.folder.string(), "see `terramill corpus verify`"});
  }
  return faults;
}

bool relabel(TileRecord& record, const MergeInput& input, std::size_t classes) {
  if (classes == 0) return false;
  const auto renamed = [&](int label) {
    if (label < static_cast<int>(input.label_of.size())) {
      return input.label_of[static_cast<std::size_t>(label)];
    }
    throw FormatError("tile " + record.tile_id + " has the label " + std::to_string(label) +
                          ", for which the corpus has no name",
                      {"merge corpora", input.folder.string(), "give its labels names and build it anew"});
  };
  const std::int32_t label = record.label < 0 ? record.label : renamed(record.label);
  std::uint64_t bits = 0;
  for (int c = 0; c < 64; ++c) {
    if ((record.label_bits >> c & 1) == 0) continue;
    const int to = renamed(c);
    if (to >= 64) refuse("the corpora have more than 64 classes of several labels per tile", "merge fewer");
    bits |= std::uint64_t{1} << to;
  }
  const bool changed = label != record.label || bits != record.label_bits;
  record.label = label;
  record.label_bits = bits;
  return changed;
}

Json decisive_options(const std::vector<MergeInput>& inputs) {
  Json manifests = Json::array();
  for (const MergeInput& input : inputs) manifests.push_back(to_hex(input.manifest_xxh3));
  return {{"merge of the manifests", manifests}};
}

Manifest describe_merge(const std::vector<MergeInput>& inputs, std::vector<std::string> label_names) {
  const Manifest& first = inputs.front().manifest;
  Manifest merged;
  merged.schema = joined_schema(inputs);
  merged.codec = first.codec;
  merged.reference = first.reference;
  merged.label_names = std::move(label_names);
  merged.options = decisive_options(inputs);
  std::vector<std::string> libraries;
  Json corpora = Json::array();
  for (const MergeInput& input : inputs) {
    const Manifest& own = input.manifest;
    merged.level =
        std::max(merged.codec == Codec::kNone ? 0 : own.level, &input == &inputs.front() ? 0 : merged.level);
    merged.synthetic = merged.synthetic || own.synthetic;
    merged.shard_tiles = std::max(merged.shard_tiles, own.shard_tiles);
    merged.shards.insert(merged.shards.end(), own.shards.begin(), own.shards.end());
    position_of(own.codec_library, libraries);
    corpora.push_back({{"content", to_hex(own.content)},
                       {"tiles", own.tiles},
                       {"quarantined", own.quarantined},
                       {"shards", own.shards.size()},
                       {"source", own.source}});
  }
  for (const std::string& library : libraries) {
    merged.codec_library += (merged.codec_library.empty() ? "" : "; ") + library;
  }
  merged.source = {{"kind", "merge"}, {"corpora", corpora}, {"label_names", merged.label_names}};
  return merged;
}

}  // namespace terramill::corpus
