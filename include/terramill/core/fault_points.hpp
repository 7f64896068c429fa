#pragma once

#include <cstdint>
#include <filesystem>

/// Where faults can be injected (room fault) by those who know nothing of it. Without hooks each point costs
/// one relaxed atomic load.
namespace terramill::fault_points {

/// What a hook of files is told: that a file was created, or that bytes are about to be written to it.
enum class FileEvent { kCreated, kWrite };
/// Returns the error number with which the operation fails, or 0.
using FileHook = int (*)(FileEvent event, const std::filesystem::path& file);
/// Called when unit number `unit` of the process's work begins; may throw.
using UnitHook = void (*)(std::int64_t unit);

/// Null: none. Not while other threads work.
void set_hooks(FileHook files, UnitHook units) noexcept;

/// What the hook of files returns; 0 without one.
int file_event(FileEvent event, const std::filesystem::path& file);

/// Unit number `unit` of this process's work begins: a training step, counted from 1 over the whole run; the
/// shards, batches or scenes that this rank takes, counted from 1. Also a beat (core/activity.hpp).
void begin_unit(std::int64_t unit);

}  // namespace terramill::fault_points
