#include "run_folder.hpp"

#include <terramill/checkpoint/checkpoint.hpp>
#include <terramill/core/damage.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/log.hpp>
#include <terramill/core/random_id.hpp>
#include <terramill/mpi/root_decision.hpp>

#include <cerrno>
#include <system_error>
#include <utility>

namespace terramill::train {

namespace {

/// What run.json says; nothing where there is none, or it is damaged: it is written anew. IoError where it
/// may be whole: a new identity would lose the run its checkpoints on the nodes' disks.
Json known_of(const std::filesystem::path& about) {
  std::string damage = "it is no JSON object";
  try {
    Json known = read_json(about);
    if (known.is_object()) return known;
  } catch (const FormatError& error) {
    damage = error.what();
  } catch (const IoError& error) {
    if (error.error_number() == ENOENT) return Json::object();
    if (!tells_damage(error.error_number())) throw;
    damage = error.what();
  }
  log::warn("{} is written anew, and the run's checkpoints on the nodes' disks are not found any more: {}",
            about.string(), damage);
  return Json::object();
}

/// What run.json says, unless the folder is a copy of the run's; else a new one.
std::string identity_of(const Json& known, const std::filesystem::path& folder) {
  const std::string here = std::filesystem::canonical(folder).string();
  const std::string identity = known.value("folder", here) == here ? known.value("identity", "") : "";
  return identity.empty() ? random_id() : identity;
}

}  // namespace

RunFolder::RunFolder(const mpi::Communicator& world, const PretrainConfig& config)
    : world_(world), path_(config.output) {
  mpi::on_root(world, [&] {
    std::error_code error;
    std::filesystem::create_directories(path_, error);
    if (error) {
      throw IoError("cannot make the run folder", error.value(),
                    {"start a run", config.output, "choose another --output or make it writable"});
    }
    lock_.emplace(path_, "pretrain");
    if (!config.resume && !checkpoint::list(path_).empty()) {
      throw UsageError("the run folder already holds checkpoints",
                       {"start a run", config.output, "add --resume to go on, or choose another --output"});
    }
    if (config.resume) known_ = known_of(about());
    identity_ = identity_of(known_, path_);
  });
  identity_ = world.broadcast(identity_);
}

bool RunFolder::finished() const {
  return !world_.broadcast(known_.value("finished", false) ? "finished" : "").empty();
}

void RunFolder::describe(const std::string& ini, Json about, const std::filesystem::path& corpus) const {
  about["identity"] = identity_;
  about["folder"] = std::filesystem::canonical(path_).string();
  write_file_durably(path_ / "config.ini", ini);
  write_file_durably(this->about(), dump_json(about, 2) + "\n");
  write_file_durably(path_ / "band_stats.json", read_text(corpus / "band_stats.json"));
}

void RunFolder::note_end() const {
  Json known = read_json(about());
  known["finished"] = true;
  write_file_durably(about(), dump_json(known, 2) + "\n");
}

}  // namespace terramill::train
