#include <terramill/core/error.hpp>
#include <terramill/fault/process.hpp>
#include <terramill/mpi/launcher.hpp>

#include <cstdlib>

namespace terramill::fault {

void add_options(OptionTable& table, ProcessOptions& options, Watch watch) {
  table.add("inject", &options.inject,
            "for tests: faults to bring about, kind@rank:step (docs/faults.md), once each or with * always",
            "comma-separated");
  if (watch == Watch::kOff) return;
  table.add("fault.limit", &options.limit,
            "a rank that gets no further for so long says what it was doing and ends with code 86; 0: never",
            "seconds");
}

bool Process::read(OptionTable& table, const std::vector<std::string>& arguments, std::ostream& out,
                   const std::string& name, Watch watch) {
  options_ = {};
  add_options(table, options_, watch);
  if (!table.parse(arguments, out)) return false;
  if (watch == Watch::kOff) options_.limit = 0;
  std::filesystem::path folder;
  for (const auto& [option, value] : table.values()) {
    if (option == "output" && !value.empty()) folder = std::filesystem::path(value + ".faults");
  }
  arm(options_, name, folder);
  return true;
}

void Process::arm(const ProcessOptions& options, const std::string& name, const std::filesystem::path& folder,
                  bool training) {
  if (!(options.limit >= 0)) {
    throw UsageError("fault.limit must be 0 or more", {"read the options", "fault.limit", ""});
  }
  if (training || options.limit > 0) mpi::require_world(world_);
  mpi::require_agreement(world_, {{"fault.limit", std::to_string(options.limit)}, {"inject", options.inject}},
                         "options about faults");
  const char* const given = std::getenv(kFolderVariable);
  const std::filesystem::path place = given != nullptr && *given != '\0' ? given : folder;
  const std::vector<Injection> faults = parse_injections(options.inject);
  injector_.reset();
  watchdog_.reset();
  if (options.limit > 0) watchdog_.emplace(world_, options.limit, name, place);
  if (!faults.empty()) injector_.emplace(faults, place, training);
}

}  // namespace terramill::fault
