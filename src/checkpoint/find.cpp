#include "layout.hpp"

#include <terramill/checkpoint/checkpoint.hpp>
#include <terramill/checkpoint/reader.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/log.hpp>

#include <algorithm>
#include <exception>
#include <string_view>
#include <system_error>
#include <utility>

namespace terramill::checkpoint {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kPrefix = "step-";

/// "step-00000001" for the name under which it waits to be replaced, and for itself.
std::string name_meant(const std::string& name) {
  const std::string visible = fs::path(name).stem().string();
  return name.starts_with(".") && name == replaced_name_of(visible.substr(1)) ? visible.substr(1) : name;
}

/// The step of a checkpoint's name; -1 for another name.
std::int64_t step_of(const std::string& name) {
  if (!name.starts_with(kPrefix)) return -1;
  const std::string digits = name.substr(kPrefix.size());
  if (digits.empty() || digits.size() > 18 || digits.find_first_not_of("0123456789") != std::string::npos)
    return -1;
  return std::stoll(digits);
}

}  // namespace

std::vector<fs::path> list(const fs::path& run) {
  std::vector<std::pair<std::int64_t, fs::path>> found;
  std::error_code absent;
  for (const auto& entry : fs::directory_iterator(folder_of(run), absent)) {
    const std::string name = entry.path().filename().string(), meant = name_meant(name);
    const std::int64_t step = step_of(meant);
    // One that was to be replaced counts for as long as the new one has not come.
    const bool counts = step >= 0 && (meant == name || !fs::exists(folder_of(run) / meant, absent));
    if (counts && fs::exists(entry.path() / kIndexName, absent)) found.emplace_back(step, entry.path());
  }
  std::ranges::sort(found);
  std::vector<fs::path> paths;
  for (auto& [step, path] : found) paths.push_back(std::move(path));
  return paths;
}

std::optional<fs::path> find_latest(const mpi::Communicator& comm, const fs::path& run) {
  Json names = Json::array();
  mpi::all_or_none(comm, [&] {
    if (comm.rank() != 0) return;
    for (const fs::path& path : list(run)) names.push_back(path.filename().string());
  });
  names = parse_json(comm.broadcast(dump_json(names)));
  for (std::size_t i = names.size(); i-- > 0;) {
    const fs::path path = folder_of(run) / names[i].get<std::string>();
    std::string fault;
    try {
      Reader(path).verify(comm.rank(), comm.size());
    } catch (const std::exception& error) {
      fault = error.what();
    }
    const int none = comm.size();
    const int first = comm.min(fault.empty() ? none : comm.rank());
    if (first == none) return path;
    fault = comm.broadcast(fault, first);
    if (comm.rank() == 0)
      log::warn("{} is damaged; the checkpoint before it is tried: {}", path.string(), fault);
  }
  return std::nullopt;
}

void prune(const fs::path& run, int keep) {
  if (keep < 1)
    throw UsageError("at least one checkpoint must be kept", {"remove checkpoints", run.string(), ""});
  recover(folder_of(run));
  std::vector<fs::path> paths = list(run);
  while (paths.size() > static_cast<std::size_t>(keep)) {
    const fs::path& oldest = paths.front();
    const fs::path hidden = oldest.parent_path() / temporary_name_of(oldest.filename().string());
    std::error_code fault;
    fs::rename(oldest, hidden, fault);
    if (!fault) fs::remove_all(hidden, fault);
    if (fault)
      throw IoError("cannot remove", fault.value(), {"remove an old checkpoint", oldest.string(), ""});
    paths.erase(paths.begin());
  }
}

}  // namespace terramill::checkpoint
