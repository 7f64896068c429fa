#pragma once

// The corpora that a merge joins; internal to the corpus room.

#include <terramill/core/json.hpp>
#include <terramill/corpus/manifest.hpp>
#include <terramill/corpus/tile.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace terramill::corpus {

/// A corpus and where it stands in the result.
struct MergeInput {
  std::filesystem::path folder;
  std::uint64_t manifest_xxh3 = 0;
  Manifest manifest;
  std::uint64_t first_shard = 0;
  std::vector<int> label_of;  ///< per class of its own: class in the result
};

/// Reads the manifests and unites the label names into `label_names`. UsageError where the corpora cannot be
/// joined.
std::vector<MergeInput> read_inputs(const std::vector<std::filesystem::path>& folders,
                                    std::vector<std::string>& label_names);
/// IntegrityError where a table of an input does not agree with its manifest.
void check_tables(const std::vector<MergeInput>& inputs);
/// UsageError for the first tile, in the order of the result, that an earlier corpus holds too. Takes 24
/// bytes of memory per tile.
void refuse_duplicates(const std::vector<MergeInput>& inputs);
/// The refused tiles of an input, in order. IntegrityError where they are not as many as its manifest says.
std::vector<TileFault> read_quarantine(const MergeInput& input);
/// Gives the record the result's classes; whether that changed it. FormatError for a label without a name;
/// UsageError for a class that has no bit among 64.
bool relabel(TileRecord& record, const MergeInput& input, std::size_t classes);

/// What decides the result, for the build folder; schema, codec, source and so on of its manifest.
Json decisive_options(const std::vector<MergeInput>& inputs);
Manifest describe_merge(const std::vector<MergeInput>& inputs, std::vector<std::string> label_names);

}  // namespace terramill::corpus
