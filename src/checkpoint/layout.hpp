#pragma once

#include <terramill/core/json.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

// The names and the index of a checkpoint on disk: docs/formats.md.

namespace terramill::checkpoint {

inline constexpr const char* kIndexName = "index.json";
inline constexpr const char* kLatestName = "latest";

/// RUN/checkpoints.
std::filesystem::path folder_of(const std::filesystem::path& run);
/// "step-00001200".
std::string step_name(std::int64_t step);
/// The step of such a name; -1 for another name.
std::int64_t step_of(const std::string& name);
/// "rank-00000.safetensors".
std::string rank_file_name(int rank);
/// The hidden names under which a checkpoint is written or removed, and under which one waits that is being
/// replaced.
std::string temporary_name_of(const std::string& name);
std::string replaced_name_of(const std::string& name);

/// Mends a folder of checkpoints after a kill: removes what is temporary and puts back what was to be
/// replaced and was not.
void recover(const std::filesystem::path& folder);

/// The text of an index: `content` and, under "xxh3", the hash of the text that has zeros there.
std::string seal(Json content);
/// Undoes `seal`. FormatError for what is no such text, IntegrityError when the hash is another.
Json unseal(const std::string& text, const std::string& origin);

}  // namespace terramill::checkpoint
