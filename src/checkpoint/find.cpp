#include "layout.hpp"

#include <terramill/checkpoint/checkpoint.hpp>
#include <terramill/checkpoint/reader.hpp>
#include <terramill/core/damage.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/log.hpp>
#include <terramill/mpi/peer_error.hpp>

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
  const fs::path folder = folder_of(run);
  const auto require = [&](const std::error_code& fault) {
    if (fault)
      throw IoError("cannot read the folder", fault.value(), {"list checkpoints", folder.string(), ""});
  };
  const auto type_of = [&](const fs::path& path) {
    std::error_code fault;
    const fs::file_type type = fs::status(path, fault).type();
    if (type != fs::file_type::not_found) require(fault);
    return type;
  };
  const auto is_folder = [&](const fs::path& path) { return type_of(path) == fs::file_type::directory; };
  std::vector<std::pair<std::int64_t, fs::path>> found;
  if (type_of(folder) == fs::file_type::not_found) return {};
  std::error_code fault;
  for (fs::directory_iterator entry(folder, fault), end; !fault && entry != end; entry.increment(fault)) {
    const std::string name = entry->path().filename().string(), meant = name_meant(name);
    const std::int64_t step = step_of(meant);
    // One that was to be replaced counts for as long as the new one has not come.
    const bool counts = step >= 0 && (meant == name || !is_folder(folder / meant));
    if (counts && is_folder(entry->path())) found.emplace_back(step, entry->path());
  }
  require(fault);
  std::ranges::sort(found);
  std::vector<fs::path> paths;
  for (auto& [step, path] : found) paths.push_back(std::move(path));
  return paths;
}

std::string damage_in(const mpi::Communicator& comm, const std::function<void()>& job) {
  std::string damage;
  bool peer = false;
  mpi::all_or_none(comm, [&] {
    try {
      job();
    } catch (const IntegrityError& error) {
      damage = error.what();
    } catch (const FormatError& error) {
      damage = error.what();
    } catch (const IoError& error) {
      if (!tells_damage(error.error_number())) throw;
      damage = error.what();
    } catch (const mpi::PeerError&) {
      peer = true;  // of damage that another rank tells, unless that throws
    }
  });
  const int none = comm.size();
  const int first = comm.min(damage.empty() ? none : comm.rank());
  if (first != none) return comm.broadcast(damage, first);
  if (comm.max(static_cast<int>(peer)) != 0) throw LibraryError("a rank failed without a reason");
  return "";
}

fs::path find_weights(const mpi::Communicator& comm, const fs::path& source) {
  bool run = false;
  mpi::all_or_none(comm, [&] { run = fs::is_directory(source) && !fs::exists(source / kIndexName); });
  // All do what rank 0 saw.
  if (comm.broadcast(run ? "run" : "", 0).empty()) return source;
  const auto newest = find_latest(comm, source);
  if (newest) return *newest;
  throw UsageError("there is no checkpoint", {"take weights from", source.string(),
                                              "name a run, a checkpoint's directory or a .safetensors file"});
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
    const std::string fault =
        damage_in(comm, [&] { Reader(path, comm.rank(), comm.size()).verify(comm.rank(), comm.size()); });
    if (fault.empty()) return path;
    if (comm.rank() == 0)
      log::warn("{} is damaged; the checkpoint before it is tried: {}", path.string(), fault);
  }
  return std::nullopt;
}

}  // namespace terramill::checkpoint
