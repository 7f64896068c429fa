#include "layout.hpp"
#include "local_layout.hpp"

#include <terramill/checkpoint/local_tier.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/log.hpp>

#include <algorithm>
#include <map>
#include <system_error>
#include <utility>

namespace terramill::checkpoint {

namespace fs = std::filesystem;

namespace {

bool has_size(const fs::path& path, std::uint64_t bytes) {
  std::error_code absent;
  return fs::file_size(path, absent) == bytes && !absent;
}

/// What `find` says of a rank's files in one folder; null where its description is damaged.
Json look_at(const fs::path& description) {
  const fs::path folder = description.parent_path();
  const std::string origin = description.string();
  try {
    const Json about = unseal(read_text(description), origin);
    const int rank = json_get<int>(about, "rank", origin);
    const Json head = json_get<Json>(about, "head", origin);
    const auto segment = json_get<std::uint64_t>(about, "segment", origin);
    Json group = Json::array();
    bool whole = false;
    for (const Json& member : json_get<Json>(about, "group", origin)) {
      group.push_back(json_get<int>(member, "rank", origin));
      if (group.back() != rank) continue;
      const auto file = file_of_share(folder, json_get<Json>(member, "share", origin));
      whole = !file || has_size(*file, json_get<std::uint64_t>(member, "bytes", origin));
    }
    if (segment > 0) whole = whole && has_size(folder / parity_file_name(rank), segment);
    if (!whole) return nullptr;
    return {{"run", json_get<std::string>(about, "run", origin)},
            {"save", json_get<std::string>(about, "save", origin)},
            {"step", json_get<std::int64_t>(head, "step", origin)},
            {"ranks", json_get<int>(head, "ranks", origin)},
            {"rank", rank},
            {"group", group},
            {"segment", segment},
            {"folder", folder.string()}};
  } catch (const Error& fault) {
    log::warn("a node-local checkpoint's description is damaged: {}", fault.what());
    return nullptr;
  }
}

std::string list_text(const std::vector<int>& numbers) {
  std::string text;
  for (const int number : numbers) text += (text.empty() ? "" : ", ") + std::to_string(number);
  return text;
}

}  // namespace

RestorePlan plan_restore(const Json& parts, const std::vector<int>& damaged) {
  RestorePlan plan;
  std::map<int, int> holders;  // of ranks whose files are there
  std::map<int, std::vector<int>> groups;
  for (const Json& part : parts) {
    const int rank = part["rank"].get<int>();
    const auto group = part["group"].get<std::vector<int>>();
    for (const int member : group) groups[member] = group;
    if (std::ranges::find(damaged, rank) == damaged.end()) holders[rank] = part["holder"].get<int>();
  }
  const int ranks = parts.empty() ? 0 : parts.front()["ranks"].get<int>();
  for (int rank = 0; rank < ranks; ++rank) {
    if (holders.contains(rank)) continue;
    const auto group = groups.find(rank);
    if (group == groups.end() || group->second.size() < 2) {
      plan.fault =
          "the files of rank " + std::to_string(rank) + " are lost, and no other node keeps a parity of them";
      return plan;
    }
    std::vector<int> lost;
    for (const int member : group->second) {
      if (!holders.contains(member)) lost.push_back(member);
    }
    if (lost.size() > 1) {
      plan.fault = "the files of ranks " + list_text(lost) + ", of one parity set (ranks " +
                   list_text(group->second) + "), are lost; a parity makes up for one";
      return plan;
    }
    const int survivor = group->second.front() == rank ? group->second[1] : group->second.front();
    plan.rebuilds.push_back({rank, group->second, holders.at(survivor)});
  }
  if (ranks == 0) plan.fault = "nothing is there";
  return plan;
}

std::vector<LocalTier::Found> LocalTier::find(const mpi::Communicator& comm) const {
  Json here = Json::array();
  if (on_node_.front() == rank_) {
    std::error_code fault;
    std::size_t found = 0;
    for (fs::recursive_directory_iterator entry(home_, fault), end; !fault && entry != end;
         entry.increment(fault)) {
      const fs::path& path = entry->path();
      const bool counts = step_of(path.parent_path().filename().string()) >= 0 && path.extension() == ".json";
      if (!counts) continue;
      Json part = look_at(path);
      if (part.is_null() || part["run"] != options_.run) continue;
      part["holder"] = on_node_[found++ % on_node_.size()];
      here.push_back(std::move(part));
    }
    // The other nodes' files, or the run folder's, may do.
    if (fault && fault != std::errc::no_such_file_or_directory)
      log::warn("{} cannot be read: {}; what it holds is taken for lost", home_.string(), fault.message());
    fault.clear();
    for (fs::directory_iterator entry(options_.folder, fault), end; !fault && entry != end;
         entry.increment(fault)) {
      std::error_code ignored;
      if (entry->is_directory(ignored) && entry->path().filename() != options_.run)
        log::info("{} is of another run and left alone", entry->path().string());
    }
  }
  // One checkpoint of what belongs to one save.
  std::map<std::pair<std::int64_t, std::string>, Json> saves;
  for (const std::string& text : comm.gather(dump_json(here))) {
    for (const Json& part : parse_json(text)) {
      Json& parts = saves[{part["step"].get<std::int64_t>(), part["save"].get<std::string>()}];
      if (parts.is_null()) parts = Json::array();
      parts.push_back(part);
    }
  }
  std::vector<Found> all;
  Json told = Json::array();
  for (auto save = saves.rbegin(); save != saves.rend(); ++save) {
    const std::string fault = plan_restore(save->second).fault;
    all.push_back({save->first.first, fault, save->second});
    told.push_back({{"step", save->first.first}, {"fault", fault}});
  }
  told = parse_json(comm.broadcast(dump_json(told)));
  if (rank_ == 0) return all;
  for (const Json& save : told)
    all.push_back({save["step"].get<std::int64_t>(), save["fault"].get<std::string>(), nullptr});
  return all;
}

}  // namespace terramill::checkpoint
