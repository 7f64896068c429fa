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

namespace terramill::checkpoint {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kPrefix = "step-";

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
  std::vector<fs::path> found;
  std::error_code absent;
  for (const auto& entry : fs::directory_iterator(folder_of(run), absent)) {
    const bool named = step_of(entry.path().filename().string()) >= 0;
    if (named && fs::exists(entry.path() / kIndexName)) found.push_back(entry.path());
  }
  std::ranges::sort(found, {}, [](const fs::path& path) { return step_of(path.filename().string()); });
  return found;
}

std::optional<fs::path> find_latest(const mpi::Communicator& comm, const fs::path& run) {
  Json names = Json::array();
  mpi::all_or_none(comm, [&] {
    if (comm.rank() != 0 || !fs::is_directory(folder_of(run))) return;
    recover(folder_of(run));
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
