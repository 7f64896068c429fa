#include "layout.hpp"
#include "local_layout.hpp"
#include "new_directory.hpp"
#include "parity.hpp"
#include "share.hpp"

#include <terramill/checkpoint/local_tier.hpp>
#include <terramill/core/activity.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/log.hpp>
#include <terramill/core/trace.hpp>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace terramill::checkpoint {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kBlock = std::uint64_t{8} << 20;
constexpr const char* kAttempt = "restore a node-local checkpoint";

/// The run folder's disk failed.
class RunFolderError : public Error {
 public:
  using Error::Error;
};

/// Runs what writes into the run folder, or reads that again. That its disk fails is no damage of the
/// checkpoint (damage_in), for which an older one would be taken and this one be pruned.
template <typename F>
void into_run_folder(F job) {
  try {
    job();
  } catch (const IoError& fault) {
    throw RunFolderError(fault.message(), fault.context());
  }
}

/// A rank's files of the checkpoint that is restored.
struct Part {
  int holder = 0;
  fs::path folder;
  std::uint64_t segment = 0;
};
using Parts = std::map<int, Part>;

/// What a rank's description says of another member of its group, or of itself.
struct Description {
  Json head;
  std::map<int, Json> members;  ///< {rank, bytes, share}
};

Description describe(int rank, const fs::path& folder) {
  const fs::path path = folder / description_name(rank);
  const std::string origin = path.string();
  const Json about = unseal(read_text(path), origin);
  Description result{json_get<Json>(about, "head", origin), {}};
  for (const Json& member : json_get<Json>(about, "group", origin))
    result.members[json_get<int>(member, "rank", origin)] = member;
  return result;
}

/// Copies a file into the run folder. What is wrong with `from` is thrown as by FileDescriptor.
void copy_durably(const fs::path& from, const fs::path& to) {
  const FileDescriptor source = FileDescriptor::open_read(from);
  const std::uint64_t size = source.size();
  FileDescriptor target;
  into_run_folder([&] { target = FileDescriptor::create(to); });
  std::vector<std::byte> block;
  for (std::uint64_t at = 0; at < size; at += kBlock) {
    block.resize(std::min(kBlock, size - at));
    source.read_at(at, block);
    into_run_folder([&] { target.write_at(at, block); });
  }
  into_run_folder([&] {
    target.sync();
    target.close();
  });
}

/// Restores one lost rank's file into `folder`, durably. Collective over the holders of the group's files.
class Rebuilding {
 public:
  Rebuilding(const mpi::Communicator& comm, const RestorePlan::Rebuild& plan, const Parts& parts)
      : comm_(comm), plan_(plan) {
    for (const int member : plan.group) {
      if (member == plan.lost) continue;
      const Part& part = parts.at(member);
      segment_ = part.segment;
      if (part.holder != comm.rank()) senders_.insert(part.holder);
      if (part.holder == comm.rank()) mine_[member] = part.folder;
    }
  }

  bool concerns_me() const { return !mine_.empty(); }

  /// Returns what went wrong with a file here, if anything.
  std::exception_ptr run(const fs::path& folder) {
    std::exception_ptr fault;
    const auto unless_faulty = [&](auto job) {
      if (fault) return;
      try {
        job();
      } catch (const std::exception&) {
        fault = std::current_exception();
      }
    };
    unless_faulty([&] { open(folder); });
    // The exchange goes on after a fault, so that no rank waits.
    for (std::size_t j = 0; j < plan_.group.size(); ++j) {
      if (plan_.group[j] == plan_.lost) continue;
      for (std::uint64_t at = 0; at < segment_; at += kBlock) {
        std::vector<std::byte> sum(std::min(kBlock, segment_ - at));
        unless_faulty([&] { add_mine(j, at, sum); });
        pass_on(sum);
        unless_faulty([&] { put(j, at, sum); });
      }
    }
    unless_faulty([&] {
      if (!target_) return;
      into_run_folder([&] {
        target_.sync();
        target_.close();
        verify_share(folder, share_);
      });
    });
    return fault;
  }

 private:
  bool leads() const { return plan_.by == comm_.rank(); }
  std::size_t place_of(int member) const {
    return static_cast<std::size_t>(std::ranges::find(plan_.group, member) - plan_.group.begin());
  }

  void open(const fs::path& folder) {
    const auto& [first, first_folder] = *mine_.begin();
    const Description about = describe(first, first_folder);
    const Json& lost = about.members.at(plan_.lost);
    bytes_ = json_get<std::uint64_t>(lost, "bytes", first_folder.string());
    share_ = lost.at("share");
    for (const auto& [member, place] : mine_) {
      files_.emplace(member, PaddedFile(file_of_share(place, about.members.at(member).at("share"))));
      parities_.emplace(member, PaddedFile(place / parity_file_name(member)));
    }
    const auto path = file_of_share(folder, share_);
    if (leads() && path) into_run_folder([&] { target_ = FileDescriptor::create(*path); });
  }

  /// XORs into `sum` what the files here tell of the segment of the lost file that member `j`'s parity holds.
  void add_mine(std::size_t j, std::uint64_t at, std::span<std::byte> sum) const {
    std::vector<std::byte> block(sum.size());
    for (const auto& [member, folder] : mine_) {
      const std::size_t i = place_of(member);
      if (i == j) {
        parities_.at(member).read_at(at, block);
      } else {
        files_.at(member).read_at(segment_for(i, j) * segment_ + at, block);
      }
      xor_into(sum, block);
    }
  }

  /// The leader gets the XOR of all sums.
  void pass_on(std::span<std::byte> sum) const {
    constexpr int kTag = 7;
    const Activity activity("send what rebuilds a lost file");
    const int count = static_cast<int>(sum.size());
    if (!leads()) {
      mpi::check(MPI_Send(sum.data(), count, MPI_BYTE, plan_.by, kTag, comm_.native()), "rebuild a file");
      return;
    }
    std::vector<std::byte> block(sum.size());
    for (const int sender : senders_) {
      mpi::check(MPI_Recv(block.data(), count, MPI_BYTE, sender, kTag, comm_.native(), MPI_STATUS_IGNORE),
                 "rebuild a file");
      beat();
      xor_into(sum, block);
    }
  }

  void put(std::size_t j, std::uint64_t at, std::span<const std::byte> sum) {
    const std::uint64_t offset = segment_for(place_of(plan_.lost), j) * segment_ + at;
    if (target_ && offset < bytes_) {
      into_run_folder(
          [&] { target_.write_at(offset, sum.first(std::min<std::uint64_t>(sum.size(), bytes_ - offset))); });
    }
  }

  const mpi::Communicator& comm_;
  const RestorePlan::Rebuild& plan_;
  std::map<int, fs::path> mine_;  ///< the group's members whose files are here
  std::set<int> senders_;         ///< other ranks that hold files of the group
  std::uint64_t segment_ = 0, bytes_ = 0;
  Json share_;
  std::map<int, PaddedFile> files_, parities_;
  FileDescriptor target_;
};

[[noreturn]] void throw_lost(const std::string& fault, std::int64_t step) {
  throw IntegrityError("step " + std::to_string(step) + " cannot be restored from the nodes' disks: " + fault,
                       {kAttempt, "", "an earlier checkpoint is tried"});
}

}  // namespace

fs::path LocalTier::promote(const mpi::Communicator& comm, const Found& found, const fs::path& run) const {
  const trace::Span span("checkpoint promote", "checkpoint");
  if (!found.fault.empty()) throw_lost(found.fault, found.step);
  Json all = parse_json(comm.broadcast(rank_ == 0 ? dump_json(found.parts) : ""));
  Parts parts;
  for (const Json& part : all)
    parts[part["rank"].get<int>()] = {part["holder"].get<int>(), part["folder"].get<std::string>(),
                                      part["segment"].get<std::uint64_t>()};
  const fs::path folder = folder_of(run);
  const std::string name = step_name(found.step);
  std::optional<NewDirectory> directory;
  mpi::all_or_none(comm, [&] {
    if (rank_ == 0) into_run_folder([&] { directory.emplace(folder, name); });
  });
  const fs::path target = comm.broadcast(directory ? directory->path().string() : "");

  Json damaged = Json::array();
  mpi::all_or_none(comm, [&] {
    for (const auto& [rank, part] : parts) {
      if (part.holder != rank_) continue;
      const Json share = describe(rank, part.folder).members.at(rank).at("share");
      try {
        verify_share(part.folder, share);
        const auto file = file_of_share(part.folder, share);
        if (file) copy_durably(*file, target / file->filename());
      } catch (const RunFolderError&) {
        throw;
      } catch (const Error& fault) {
        log::warn("a node-local file is damaged and will be rebuilt: {}", fault.what());
        damaged.push_back(rank);
      }
    }
  });
  std::vector<int> lost;
  for (const std::string& text : comm.gather(dump_json(damaged))) {
    for (const Json& rank : parse_json(text)) lost.push_back(rank.get<int>());
  }
  lost = parse_json(comm.broadcast(dump_json(Json(lost)))).get<std::vector<int>>();
  const RestorePlan plan = plan_restore(all, lost);
  if (!plan.fault.empty()) throw_lost(plan.fault, found.step);
  for (const RestorePlan::Rebuild& rebuild : plan.rebuilds) {
    Rebuilding work(comm, rebuild, parts);
    const std::exception_ptr fault = work.concerns_me() ? work.run(target) : nullptr;
    mpi::all_or_none(comm, [&] {
      if (fault) std::rethrow_exception(fault);
    });
    log::info("the files of rank {} were rebuilt from those of {} other nodes", rebuild.lost,
              rebuild.group.size() - 1);
  }

  // Who has a rank's description tells its share; the first of a group also those of ranks that were rebuilt.
  Json mine = {{"shares", Json::array()}, {"head", nullptr}};
  mpi::all_or_none(comm, [&] {
    for (const auto& [rank, part] : parts) {
      if (part.holder != rank_ || std::ranges::find(lost, rank) != lost.end()) continue;
      const Description about = describe(rank, part.folder);
      mine["head"] = about.head;
      for (const auto& [member, content] : about.members)
        mine["shares"].push_back({{"rank", member}, {"share", content.at("share")}});
    }
  });
  const std::vector<std::string> texts = comm.gather(dump_json(mine));
  mpi::all_or_none(comm, [&] {
    if (rank_ != 0) return;
    std::map<int, std::string> shares;
    Json head;
    for (const std::string& text : texts) {
      Json part = parse_json(text);
      if (!part["head"].is_null()) head = part["head"];
      for (const Json& entry : part["shares"]) shares[entry["rank"].get<int>()] = dump_json(entry["share"]);
    }
    std::vector<std::string> in_order;
    for (auto& [rank, share] : shares) in_order.push_back(std::move(share));
    into_run_folder([&] { directory->publish(index_of(head, in_order)); });
  });
  return folder / name;
}

}  // namespace terramill::checkpoint
