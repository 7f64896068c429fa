#pragma once

#include <terramill/core/json.hpp>

#include <filesystem>

namespace terramill::corpus {

/// What a corpus holds, counted from its manifest and index in pieces (docs/formats.md): schema, codec,
/// sizes, source, tiles per split, Sentinel-2 type, biome and label, pixels per land-cover class, tiles with
/// each modality, extent, dates, reasons of quarantine. Throws as `read_manifest` and IndexReader do.
Json describe_corpus(const std::filesystem::path& corpus);

/// The same for people to read.
std::string to_text(const Json& description);

}  // namespace terramill::corpus
