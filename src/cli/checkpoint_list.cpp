#include "checkpoint_text.hpp"
#include "commands.hpp"

#include <terramill/checkpoint/reader.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/json.hpp>
#include <terramill/core/options.hpp>

#include <filesystem>
#include <ostream>
#include <system_error>
#include <utility>

namespace terramill::cli {

namespace {

Json describe(const std::filesystem::path& path) {
  Json entry = {{"name", path.filename().string()},
                {"step", checkpoint::step_named_by(path)},
                {"written", ""},
                {"bytes", 0}};
  try {
    entry["written"] = written_at(path);
    entry["bytes"] = bytes_of(path);
    const checkpoint::Reader reader(path);
    entry["tensors"] = reader.tensors().size();
    entry["meta"] = {{"epoch", reader.meta().value("epoch", Json())},
                     {"layout", reader.meta().value("layout", Json())}};
    entry["fault"] = nullptr;
  } catch (const Error& error) {
    entry["fault"] = error.message();
  } catch (const std::filesystem::filesystem_error& error) {
    entry["fault"] = error.what();
  }
  return entry;
}

}  // namespace

int checkpoint_list(const Context& context, const std::vector<std::string>& arguments) {
  std::string run;
  OptionTable table(
      "terramill checkpoint list RUN",
      "Lists the checkpoints of a run, oldest first, damaged ones too. Indexes, sizes and headers are "
      "checked, not every byte: see checkpoint verify.");
  table.positional("run", &run, "run folder of pretrain");
  if (!context.faults.read(table, arguments, context.out, "checkpoint list"))
    return static_cast<int>(ExitCode::kDone);
  if (context.world.rank() != 0) return static_cast<int>(ExitCode::kDone);
  Json all = Json::array();
  for (const auto& path : checkpoints_of(run)) {
    Json entry = describe(path);
    // A run that goes on may have removed it meanwhile.
    if (std::error_code fault; std::filesystem::exists(path, fault) || fault) all.push_back(std::move(entry));
  }
  if (table.json()) {
    context.out << dump_json({{"run", run}, {"checkpoints", all}}) << '\n';
    return static_cast<int>(ExitCode::kDone);
  }
  for (const Json& entry : all) {
    const bool whole = entry["fault"].is_null();
    context.out << entry["name"].get<std::string>() << "  " << entry["written"].get<std::string>() << "  "
                << size_text(entry["bytes"].get<std::uint64_t>())
                << (whole ? "" : "  damaged: " + entry["fault"].get<std::string>()) << '\n';
  }
  if (all.empty()) context.out << "no checkpoints\n";
  return static_cast<int>(ExitCode::kDone);
}

}  // namespace terramill::cli
