#include <terramill/core/activity.hpp>
#include <terramill/core/fault_points.hpp>

#include <atomic>

namespace terramill::fault_points {
namespace {

std::atomic<FileHook> file_hook{nullptr};
std::atomic<UnitHook> unit_hook{nullptr};

}  // namespace

void set_hooks(FileHook files, UnitHook units) noexcept {
  file_hook.store(files, std::memory_order_relaxed);
  unit_hook.store(units, std::memory_order_relaxed);
}

int file_event(FileEvent event, const std::filesystem::path& file) {
  const FileHook hook = file_hook.load(std::memory_order_relaxed);
  return hook == nullptr ? 0 : hook(event, file);
}

void begin_unit(std::int64_t unit) {
  beat();
  if (const UnitHook hook = unit_hook.load(std::memory_order_relaxed)) hook(unit);
}

}  // namespace terramill::fault_points
