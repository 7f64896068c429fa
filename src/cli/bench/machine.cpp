#include "machine.hpp"

#include <terramill/core/file.hpp>
#include <terramill/parallel/device.hpp>

#include <filesystem>
#include <sstream>

#include <sys/utsname.h>

namespace terramill::cli {

namespace {

/// "model name" of /proc/cpuinfo; where a processor has none there, its architecture.
std::string processor_name() {
  const char* const file = "/proc/cpuinfo";
  if (std::filesystem::exists(file)) {
    std::istringstream lines(read_text(file));
    for (std::string line; std::getline(lines, line);) {
      const std::size_t colon = line.find(": ");
      if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
    }
  }
  struct utsname names {};
  return uname(&names) == 0 ? names.machine : "unknown";
}

}  // namespace

Machine describe_machine(const mpi::Communicator& world, const std::string& device) {
  return {.device = world.broadcast(parallel::device_name(parallel::select_device(device, world))),
          .processor = world.broadcast(processor_name()),
          .nodes = world.sum<std::int64_t>(world.split_node().rank() == 0 ? 1 : 0)};
}

}  // namespace terramill::cli
