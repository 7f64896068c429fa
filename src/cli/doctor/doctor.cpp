#include "../commands.hpp"
#include "checks.hpp"

#include <terramill/core/options.hpp>

#include <algorithm>
#include <ostream>

namespace terramill::cli {
namespace {

const char* name_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk:
      return "ok";
    case Verdict::kWarning:
      return "warning";
    case Verdict::kMissing:
      break;
  }
  return "missing";
}

void print_table(std::ostream& out, const std::vector<Finding>& findings) {
  for (const Finding& finding : findings) {
    std::string verdict = name_of(finding.verdict), name = finding.name;
    verdict.resize(9, ' ');
    name.resize(13, ' ');
    out << verdict << name << finding.value << '\n';
    if (!finding.advice.empty()) out << std::string(22, ' ') << finding.advice << '\n';
  }
}

void print_json(std::ostream& out, const std::vector<Finding>& findings, Verdict worst) {
  Json report = {{"verdict", name_of(worst)}, {"findings", Json::array()}};
  for (const Finding& finding : findings) {
    report["findings"].push_back({{"name", finding.name},
                                  {"verdict", name_of(finding.verdict)},
                                  {"value", finding.value},
                                  {"advice", finding.advice},
                                  {"facts", finding.facts}});
  }
  out << dump_json(report, 2) << '\n';
}

}  // namespace

int doctor(const Context& context, const std::vector<std::string>& arguments) {
  std::string path;
  std::int64_t mib = 128;
  bool ping = false;
  OptionTable table("terramill doctor [PATH] [--size MIB] [--ping] [--json]",
                    "Tells the versions and abilities of what Terramill stands on, each with a verdict.");
  table.positional("path", &path, "a folder whose file system is measured, by all ranks at once", false);
  table.add("size", &mib, "what each rank writes and reads there", "MiB");
  table.add("ping", &ping,
            "only exchange a message between every two ranks, as jobs/supervise.sh does before a start");
  if (!context.faults.read(table, arguments, context.out, "doctor")) return static_cast<int>(ExitCode::kDone);
  if (mib < 4)
    throw UsageError("--size is too small to measure", {"read the options", "size", "give 4 MiB or more"});

  std::vector<Finding> findings;
  if (ping) {
    findings.push_back(check_ping(context.world));
  } else {
    findings = {check_program(), check_mpi(),      check_hdf5(), check_gdal(),
                check_codecs(),  check_libtorch(), check_cuda()};
    findings.push_back(check_layout(context.world));
    findings.push_back(check_memory(context.world));
  }
  if (!path.empty()) {
    for (Finding& finding : check_file_system(context.world, path, mib << 20)) {
      findings.push_back(std::move(finding));
    }
  }

  Verdict worst = Verdict::kOk;
  for (const Finding& finding : findings) worst = std::max(worst, finding.verdict);
  // Another rank may see what this one does not, say a folder that only one node lacks.
  worst = static_cast<Verdict>(context.world.max(static_cast<int>(worst)));
  if (table.json()) {
    print_json(context.out, findings, worst);
  } else {
    print_table(context.out, findings);
  }
  return static_cast<int>(worst == Verdict::kMissing ? ExitCode::kFailed : ExitCode::kDone);
}

}  // namespace terramill::cli
