#include "layout.hpp"

#include <terramill/checkpoint/checkpoint.hpp>
#include <terramill/core/error.hpp>

#include <algorithm>
#include <system_error>

namespace terramill::checkpoint {

namespace fs = std::filesystem;

std::vector<std::int64_t> superfluous(const std::vector<std::int64_t>& steps, const KeepPolicy& policy) {
  if (policy.newest < 1 || policy.every < 0)
    throw UsageError("at least one checkpoint must be kept", {"remove checkpoints", "", "keep 1 or more"});
  std::vector<std::int64_t> doomed;
  std::int64_t span = 0;  // of the last checkpoint, in multiples of policy.every
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const std::int64_t own = policy.every > 0 ? steps[i] / policy.every : 0;
    const bool first = own > span;
    span = std::max(span, own);
    if (steps[i] >= 0 && !first && i + static_cast<std::size_t>(policy.newest) < steps.size())
      doomed.push_back(steps[i]);
  }
  return doomed;
}

std::vector<fs::path> prune(const fs::path& run, const KeepPolicy& policy, std::int64_t newest) {
  recover(folder_of(run));
  std::vector<std::int64_t> steps;
  for (const fs::path& path : list(run)) {
    const std::int64_t step = step_of(path.filename().string());
    if (step <= newest && fs::exists(path / kIndexName)) steps.push_back(step);
  }
  std::vector<fs::path> removed;
  for (const std::int64_t step : superfluous(steps, policy)) {
    const std::string name = step_name(step);
    const fs::path path = folder_of(run) / name, hidden = folder_of(run) / temporary_name_of(name);
    std::error_code fault;
    fs::rename(path, hidden, fault);
    if (!fault) fs::remove_all(hidden, fault);
    if (fault) throw IoError("cannot remove", fault.value(), {"remove a checkpoint", path.string(), ""});
    removed.push_back(path);
  }
  return removed;
}

}  // namespace terramill::checkpoint
