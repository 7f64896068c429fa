#include "layout.hpp"
#include "local_layout.hpp"
#include "parity.hpp"
#include "share.hpp"

#include <terramill/checkpoint/local_tier.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/log.hpp>
#include <terramill/core/random_id.hpp>

#include <algorithm>
#include <system_error>
#include <utility>

namespace terramill::checkpoint {

namespace fs = std::filesystem;

namespace {

/// What a rank's description says of one member of its group.
Json member_of(int rank, const std::string& share) {
  Json parsed = parse_json(share, "a rank's share of a checkpoint");
  const std::uint64_t bytes = parsed["file"].is_null() ? 0 : parsed["file"]["bytes"].get<std::uint64_t>();
  return {{"rank", rank}, {"bytes", bytes}, {"share", std::move(parsed)}};
}

}  // namespace

LocalTier::LocalTier(const mpi::Communicator& world, LocalOptions options)
    : options_(std::move(options)), rank_(world.rank()), own_group_{world.rank()} {
  Json all = Json::array();
  for (const std::string& text :
       world.gather(dump_json(Json::array({options_.place.node, options_.place.failure_group})))) {
    all.push_back(parse_json(text));
  }
  for (const Json& place : parse_json(world.broadcast(dump_json(all))))
    places_.push_back({place[0].get<std::string>(), place[1].get<std::string>()});
  groups_ = parity_groups(places_, options_.parity_set);
  for (const std::vector<int>& group : groups_) {
    if (std::ranges::find(group, rank_) != group.end()) own_group_ = group;
  }
  for (int r = 0; r < world.size(); ++r) {
    if (places_[static_cast<std::size_t>(r)].node == options_.place.node) on_node_.push_back(r);
  }
  home_ = options_.folder / options_.run / options_.place.node;
}

std::vector<int> LocalTier::unprotected() const {
  std::vector<int> alone;
  for (int r = 0; r < static_cast<int>(places_.size()); ++r) {
    const auto holds = [r](const std::vector<int>& group) {
      return std::ranges::find(group, r) != group.end();
    };
    if (std::ranges::none_of(groups_, holds)) alone.push_back(r);
  }
  return alone;
}

void LocalTier::write(const mpi::Communicator& comm, const Snapshot& snapshot) const {
  const mpi::Patient ranks(comm);
  const bool leads = on_node_.front() == rank_;
  const std::string name = step_name(snapshot.step());
  const fs::path temporary = home_ / temporary_name_of(name);
  // Distinguishes two writes of the same step, which may have been of other layouts.
  const std::string token = ranks.broadcast(rank_ == 0 ? random_id() : "");
  const std::string head = ranks.broadcast(rank_ == 0 ? dump_json(head_of(snapshot)) : "");
  const auto check = [&](const std::error_code& fault, const char* verb) {
    if (!fault) return;
    throw IoError(std::string("cannot ") + verb, fault.value(),
                  {"write a node-local checkpoint", temporary.string(), "see checkpoint.local"});
  };
  std::error_code fault;
  try {
    ranks.all_or_none([&] {
      if (!leads) return;
      fs::remove_all(temporary, fault);
      if (!fault) fs::create_directories(temporary, fault);
      check(fault, "make a directory");
    });
    Json share;
    ranks.all_or_none([&] { share = write_share(snapshot, temporary, /*durable=*/false); });

    Json members = Json::array();
    std::uint64_t longest = 0;
    const std::vector<std::string> shares = exchange_texts(ranks, own_group_, dump_json(share));
    for (std::size_t i = 0; i < shares.size(); ++i) {
      members.push_back(member_of(own_group_[i], shares[i]));
      longest = std::max(longest, members.back()["bytes"].get<std::uint64_t>());
    }
    const std::uint64_t segment = own_group_.size() < 2 ? 0 : segment_bytes(longest, own_group_.size());
    std::exception_ptr failed;
    if (segment > 0) {
      failed = write_parity(ranks, own_group_, file_of_share(temporary, share), segment,
                            temporary / parity_file_name(rank_));
    }
    ranks.all_or_none([&] {
      if (failed) std::rethrow_exception(failed);
      const Json description = {{"format", "terramill-local-checkpoint"},
                                {"version", 1},
                                {"run", options_.run},
                                {"save", token},
                                {"rank", rank_},
                                {"segment", segment},
                                {"group", members},
                                {"head", parse_json(head)}};
      FileDescriptor file = FileDescriptor::create(temporary / description_name(rank_));
      const std::string text = seal(description);
      file.write(std::as_bytes(std::span(text)));
      file.close();
    });
    ranks.all_or_none([&] {
      if (!leads) return;
      fs::remove_all(home_ / name, fault);
      if (!fault) fs::rename(temporary, home_ / name, fault);
      check(fault, "rename");
    });
    own_bytes_ = share["file"].is_null() ? 0 : share["file"]["bytes"].get<std::uint64_t>();
    parity_bytes_ = segment;
  } catch (const std::exception&) {
    if (leads) fs::remove_all(temporary, fault);
    throw;
  }
  if (leads) prune(snapshot.step());
}

void LocalTier::prune(std::int64_t newest) const {
  std::vector<std::pair<std::int64_t, fs::path>> kept, doomed;
  std::error_code fault;
  for (const auto& entry : fs::directory_iterator(home_, fault)) {
    const std::int64_t step = step_of(entry.path().filename().string());
    // Later steps are of a course that the run has left; names of no step are what kills left.
    (step >= 0 && step <= newest ? kept : doomed).emplace_back(step, entry.path());
  }
  std::ranges::sort(kept, std::greater<>{});
  for (std::size_t i = kKept; i < kept.size(); ++i) doomed.push_back(kept[i]);
  for (const auto& [step, path] : doomed) {
    fs::remove_all(path, fault);
    if (fault) log::warn("cannot remove {}: {}", path.string(), fault.message());
  }
}

}  // namespace terramill::checkpoint
