#include "checkpoint_text.hpp"
#include "commands.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/json.hpp>
#include <terramill/core/options.hpp>

#include <ostream>

namespace terramill::cli {

int checkpoint_prune(const Context& context, const std::vector<std::string>& arguments) {
  std::string run;
  checkpoint::KeepPolicy keep;
  OptionTable table(
      "terramill checkpoint prune RUN [--keep N] [--keep-every STEPS]",
      "Removes checkpoints of a run that is not going on, and what kills left among them. The newest whole "
      "one is read to be sure of it; what is later, and damaged, stays.");
  table.positional("run", &run, "run folder of pretrain");
  table.add("keep", &keep.newest, "newest checkpoints to keep");
  table.add("keep-every", &keep.every,
            "keep also the first checkpoint from each multiple of this on; 0: none", "steps");
  if (!context.faults.read(table, arguments, context.out, "checkpoint prune"))
    return static_cast<int>(ExitCode::kDone);
  if (context.world.rank() != 0) return static_cast<int>(ExitCode::kDone);
  checkpoints_of(run);  // refuses what is no run
  const DirectoryLock lock(run, "pretrain");
  // What is kept in the place of others must be whole.
  const auto newest = checkpoint::find_latest(mpi::Communicator::self(), run);
  if (!newest && !checkpoints_of(run).empty()) {
    throw IntegrityError("every checkpoint of the run is damaged, so none is removed",
                         {"remove checkpoints", run, "checkpoint verify tells what is wrong with each"});
  }
  Json removed = Json::array();
  if (newest) {
    for (const auto& path : checkpoint::prune(run, keep, checkpoint::step_named_by(*newest)))
      removed.push_back(path.filename().string());
  }
  if (table.json()) {
    context.out << dump_json({{"run", run}, {"removed", removed}}) << '\n';
    return static_cast<int>(ExitCode::kDone);
  }
  for (const Json& name : removed) context.out << "removed " << name.get<std::string>() << '\n';
  context.out << checkpoints_of(run).size() << " checkpoints stay\n";
  return static_cast<int>(ExitCode::kDone);
}

}  // namespace terramill::cli
