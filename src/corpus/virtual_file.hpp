#pragma once

#include <terramill/corpus/manifest.hpp>

#include <filesystem>

namespace terramill::corpus {

/// Writes an HDF5 file whose datasets are virtual: the rows of all shards, one after another (HDF5 1.10,
/// H5Pset_virtual). It names the shards by absolute path.
void write_virtual_file(const std::filesystem::path& path, const std::filesystem::path& corpus,
                        const Manifest& manifest);

}  // namespace terramill::corpus
