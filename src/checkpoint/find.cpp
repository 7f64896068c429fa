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

/// "step-00000001" for the name under which it waits to be replaced, and for itself.
std::string name_meant(const std::string& name) {
  const std::string visible = fs::path(name).stem().string();
  return name.starts_with(".") && name == replaced_name_of(visible.substr(1)) ? visible.substr(1) : name;
}

}  // namespace

std::int64_t step_named_by(const fs::path& checkpoint) {
  return step_of(name_meant(checkpoint.filename().string()));
}

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

}  // namespace terramill::checkpoint
