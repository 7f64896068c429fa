#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace terramill::corpus {

/// Readers whose fixed file names a view can take: "mmearth" (the official reader), and torchgeo's subsets
/// "MMEarth", "MMEarth64", "MMEarth100k".
std::vector<std::string> view_kinds();

/// Makes a folder of links and side files through which a client of the official MMEarth files reads a corpus
/// of schema mmearth: NAME.h5 (a link to the only shard, or HDF5 virtual datasets over all of them),
/// NAME_splits.json, NAME_band_stats.json and NAME_tile_info.json, in `output` itself for "mmearth", in a
/// folder NAME below it for torchgeo. No value is copied. A tile without a date gets 1970-01-01, since the
/// clients parse it. UsageError for another schema, a corpus without tiles, or an `output` that is not empty.
void make_view(const std::filesystem::path& corpus, const std::string& kind,
               const std::filesystem::path& output);

}  // namespace terramill::corpus
