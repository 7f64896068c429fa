#include "checks.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>

#include <algorithm>
#include <cerrno>
#include <map>

#include <sched.h>
#include <sys/sysinfo.h>

namespace terramill::cli {
namespace {

/// Cores that this process may run on.
int allowed_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) {
    throw IoError("sched_getaffinity failed", errno, {"count the cores", "", ""});
  }
  return CPU_COUNT(&set);
}

/// The node's memory, or less where the control group limits it.
std::int64_t memory_bytes() {
  struct sysinfo info {};
  if (sysinfo(&info) != 0) throw IoError("sysinfo failed", errno, {"ask for the memory", "", ""});
  auto bytes = static_cast<std::int64_t>(info.totalram) * info.mem_unit;
  const char* const limits[] = {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
  for (const char* file : limits) {
    if (!std::filesystem::exists(file)) continue;
    const std::string text = read_text(file);
    if (!text.empty() && text[0] >= '0' && text[0] <= '9')
      bytes = std::min<std::int64_t>(bytes, std::stoll(text));
  }
  return bytes;
}

std::string plural(int count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

}  // namespace

Finding check_layout(const mpi::Communicator& world) {
  const mpi::Communicator node = world.split_node();
  const int nodes = world.sum(node.rank() == 0 ? 1 : 0);
  const int cores = allowed_cores();
  const int fewest = world.min(cores), most = world.max(node.size());
  // Ranks that are bound have their own cores; unbound ones share the node's.
  const bool bound = cores * node.size() <= static_cast<int>(get_nprocs());
  const bool crowded = world.max(!bound && node.size() > cores ? 1 : 0) != 0;

  Finding finding{.name = "layout",
                  .value = plural(world.size(), "rank") + " on " + plural(nodes, "node") + ", " +
                           plural(most, "rank") + " per node at most, " + plural(fewest, "core") +
                           " for a rank at least"};
  finding.facts = {
      {"ranks", world.size()}, {"nodes", nodes}, {"ranks_per_node", most}, {"cores_per_rank", fewest}};
  if (crowded) {
    finding.verdict = Verdict::kWarning;
    finding.advice = "more ranks than cores: waiting ranks should yield (OMPI_MCA_mpi_yield_when_idle=1)";
  }
  return finding;
}

Finding check_memory(const mpi::Communicator& world) {
  const mpi::Communicator node = world.split_node();
  const std::int64_t share = world.min(memory_bytes() / node.size());
  const double gib = static_cast<double>(share) / (1 << 30);
  Finding finding{.name = "memory",
                  .value = shortest_text(static_cast<int>(gib * 10) / 10.0) + " GiB per rank"};
  finding.facts["bytes_per_rank"] = share;
  if (gib < 2) {
    finding.verdict = Verdict::kWarning;
    finding.advice = "a pretraining rank takes 2 GiB and more: use fewer ranks per node";
  }
  return finding;
}

}  // namespace terramill::cli
