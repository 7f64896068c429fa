#include <terramill/core/error.hpp>
#include <terramill/core/options.hpp>
#include <terramill/report/machine.hpp>
#include <terramill/report/run_record.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>

namespace terramill::report {

namespace {

enum class Range { kPositive, kNotNegative, kShare, kCount };

struct Key {
  const char *name, *unit;
  Range range;
  double Machine::*value;  ///< null for counts
  std::int64_t Machine::*count = nullptr;
};

const std::vector<Key>& keys() {
  using enum Range;
  static const std::vector<Key> all{
      {"node.nodes", "nodes", kCount, nullptr, &Machine::nodes},
      {"node.gpus", "GPUs", kCount, nullptr, &Machine::gpus_per_node},
      {"node.memory", "bytes", kPositive, &Machine::memory},
      {"node.reserved_memory", "bytes", kNotNegative, &Machine::reserved_memory},
      {"node.memory_bandwidth", "bytes/s", kPositive, &Machine::memory_bandwidth},
      {"node.host_bandwidth", "bytes/s", kPositive, &Machine::host_bandwidth},
      {"compute.peak_float32", "operations/s", kPositive, &Machine::peak_float32},
      {"compute.peak_bfloat16", "operations/s", kPositive, &Machine::peak_bfloat16},
      {"compute.reached_terrafm", "of the peak", kShare, &Machine::reached_terrafm},
      {"compute.reached_mpmae", "of the peak", kShare, &Machine::reached_mpmae},
      {"compute.kernel_seconds", "s", kNotNegative, &Machine::kernel_seconds},
      {"links.gpu_bandwidth", "bytes/s", kPositive, &Machine::gpu_bandwidth},
      {"links.gpu_latency", "s", kNotNegative, &Machine::gpu_latency},
      {"links.network_bandwidth", "bytes/s", kPositive, &Machine::network_bandwidth},
      {"links.network_latency", "s", kNotNegative, &Machine::network_latency},
      {"links.overlap", "of the backward pass", kShare, &Machine::overlap},
      {"storage.read_bandwidth", "bytes/s", kPositive, &Machine::read_bandwidth},
      {"storage.node_read_bandwidth", "bytes/s", kPositive, &Machine::node_read_bandwidth},
      {"storage.write_bandwidth", "bytes/s", kPositive, &Machine::write_bandwidth}};
  return all;
}

[[noreturn]] void refuse(const std::string& message, const std::string& subject, const std::string& advice) {
  throw UsageError(message, {"read the machine's description", subject, advice});
}

double number_in(const ConfigLine& line, const Key& key, const std::string& subject) {
  char* end = nullptr;
  const double value = std::strtod(line.value.c_str(), &end);
  if (line.value.empty() || *end != '\0' || !std::isfinite(value))
    refuse("\"" + line.value + "\" is no number", subject, "");
  switch (key.range) {
    case Range::kPositive:
      if (value <= 0) refuse("the value must be positive", subject, "");
      break;
    case Range::kNotNegative:
      if (value < 0) refuse("the value must not be negative", subject, "");
      break;
    case Range::kShare:
      if (value < 0 || value > 1) refuse("the value must be a share from 0 to 1", subject, "");
      break;
    case Range::kCount:
      if (value < 1 || value != std::floor(value))
        refuse("the value must be a whole number from 1", subject, "");
      break;
  }
  return value;
}

}  // namespace

double Machine::peak(const std::string& precision) const {
  return precision == "bfloat16" ? peak_bfloat16 : peak_float32;
}

Machine read_machine(const std::filesystem::path& path) {
  Machine machine;
  machine.name = path.stem().string();
  std::map<std::string, ConfigLine> lines;
  std::vector<std::string> names;
  for (const Key& key : keys()) names.emplace_back(key.name);
  for (ConfigLine& line : read_configuration(path)) {
    const std::string name = line.section + "." + line.key;
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      const auto close = nearest(name, names);
      refuse("there is no key " + name, path.string(), close ? "did you mean " + *close + "?" : "");
    }
    if (!lines.emplace(name, std::move(line)).second)
      refuse("the key " + name + " is given twice", path.string(), "");
  }
  for (const Key& key : keys()) {
    const auto found = lines.find(key.name);
    if (found == lines.end())
      refuse("the key " + std::string(key.name) + " is missing", path.string(),
             "see the descriptions in configs/machines");
    const double value = number_in(found->second, key, path.string() + ", " + key.name);
    if (key.value != nullptr) machine.*key.value = value;
    if (key.count != nullptr) machine.*key.count = static_cast<std::int64_t>(value);
    const std::string& origin = found->second.origin;
    machine.constants.push_back({key.name, key.unit, value, origin.empty() ? path.string() : origin});
  }
  return machine;
}

}  // namespace terramill::report
