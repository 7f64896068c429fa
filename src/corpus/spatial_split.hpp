#pragma once

#include <terramill/core/json.hpp>
#include <terramill/corpus/source.hpp>
#include <terramill/corpus/tile.hpp>

#include <string>

namespace terramill::corpus {

/// UsageError when the shares are no shares.
void check_shares(const SourceOptions& options);
/// The split of a location (rule in corpus/source.hpp). A tile without a location is a block of its own,
/// named by its id.
Split split_of(double lon, double lat, const std::string& tile_id, const SourceOptions& options);
/// What the manifest keeps of the rule.
Json describe_split(const SourceOptions& options);

}  // namespace terramill::corpus
