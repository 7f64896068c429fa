#include "checkpoint_text.hpp"
#include "commands.hpp"

#include <terramill/checkpoint/reader.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/json.hpp>
#include <terramill/core/options.hpp>
#include <terramill/mpi/root_decision.hpp>

#include <filesystem>
#include <ostream>
#include <system_error>

namespace terramill::cli {

int checkpoint_verify(const Context& context, const std::vector<std::string>& arguments) {
  std::string run;
  std::int64_t step = -1;
  OptionTable table("terramill checkpoint verify RUN [--step N]",
                    "Reads every byte of a run's checkpoints and compares its hash; the ranks share the "
                    "reading. Exit code 1 when anything is wrong.");
  table.positional("run", &run, "run folder of pretrain");
  table.add("step", &step, "only the checkpoint of this step, when 0 or more");
  if (!context.faults.read(table, arguments, context.out, "checkpoint verify"))
    return static_cast<int>(ExitCode::kDone);
  const mpi::Communicator& world = context.world;
  mpi::require_agreement(world, table.values(), "options of checkpoint verify");
  Json paths = Json::array();
  mpi::on_root(world, [&] {
    const auto chosen = step < 0 ? checkpoints_of(run) : std::vector{checkpoint_of(run, step)};
    for (const auto& path : chosen) paths.push_back(path.string());
  });
  paths = parse_json(world.broadcast(dump_json(paths)));

  Json results = Json::array();
  bool damaged = false;
  for (const Json& path : paths) {
    const std::filesystem::path folder = path.get<std::string>();
    const std::string fault = checkpoint::damage_in(world, [&] {
      checkpoint::Reader(folder, world.rank(), world.size()).verify(world.rank(), world.size());
    });
    // A run that goes on may have removed it meanwhile.
    std::error_code unknown;
    if (!fault.empty() && !world.max(static_cast<int>(std::filesystem::exists(folder, unknown) || unknown)))
      continue;
    damaged = damaged || !fault.empty();
    results.push_back({{"name", folder.filename().string()},
                       {"step", checkpoint::step_named_by(folder)},
                       {"fault", fault.empty() ? Json(nullptr) : Json(fault)}});
    if (table.json()) continue;
    context.out << folder.filename().string() << ": " << (fault.empty() ? "whole" : fault) << '\n';
  }
  if (!table.json() && results.empty()) context.out << "no checkpoints\n";
  if (table.json()) context.out << dump_json({{"run", run}, {"checkpoints", results}}) << '\n';
  return static_cast<int>(damaged ? ExitCode::kFailed : ExitCode::kDone);
}

}  // namespace terramill::cli
