#pragma once

#include <terramill/core/json.hpp>

#include <filesystem>
#include <optional>
#include <string>

// Names and descriptions of the files of a node-local checkpoint: docs/formats.md.

namespace terramill::checkpoint {

/// "rank-00000.parity" and "rank-00000.json".
std::string parity_file_name(int rank);
std::string description_name(int rank);

/// The file of the safetensors that a rank's share (share.hpp) tells of, in `folder`; nothing where the rank
/// had nothing to write.
std::optional<std::filesystem::path> file_of_share(const std::filesystem::path& folder, const Json& share);

/// Checks every byte of the file that a share tells of against the share's hashes. IoError, FormatError,
/// IntegrityError.
void verify_share(const std::filesystem::path& folder, const Json& share);

}  // namespace terramill::checkpoint
