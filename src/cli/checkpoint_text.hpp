#pragma once

#include <terramill/checkpoint/checkpoint.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

// What the subcommands `checkpoint …` share.

namespace terramill::cli {

/// Checkpoints of a run, oldest first, damaged ones too. UsageError where the folder is no run's.
std::vector<std::filesystem::path> checkpoints_of(const std::filesystem::path& run);
/// The newest that has its index: one without is damaged (checkpoint::list). Empty where there is none.
std::filesystem::path newest_of(const std::vector<std::filesystem::path>& checkpoints);
/// The one of that step, or the run's newest (newest_of) where `step` is negative. UsageError where there is
/// none.
std::filesystem::path checkpoint_of(const std::filesystem::path& run, std::int64_t step);

/// When it was committed, "2026-01-31T12:00:00Z".
std::string written_at(const std::filesystem::path& checkpoint);
/// Of all its files.
std::uint64_t bytes_of(const std::filesystem::path& checkpoint);
/// "12.3 MB".
std::string size_text(std::uint64_t bytes);

}  // namespace terramill::cli
