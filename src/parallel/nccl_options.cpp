#include <terramill/core/error.hpp>
#include <terramill/core/log.hpp>
#include <terramill/parallel/nccl_options.hpp>

#include <cerrno>
#include <cstdlib>
#include <initializer_list>
#include <memory>
#include <string>

#include <torch/csrc/distributed/c10d/FlightRecorder.hpp>

namespace terramill::parallel {

namespace {

/// Sets the first variable unless one of them, all of one meaning, is set. Whether it did.
bool offer(std::initializer_list<const char*> names, const std::string& value) {
  for (const char* name : names) {
    if (const char* given = std::getenv(name)) {
      if (given != value) log::warn("{}={} of the environment stays", name, given);
      return false;
    }
  }
  if (setenv(*names.begin(), value.c_str(), 0) != 0) {
    throw IoError("setenv failed", errno, {"prepare NCCL", *names.begin(), ""});
  }
  return true;
}

/// c10d's own writer names files by the rank in the first group, which is no rank of the job.
class RankFile : public c10d::DebugInfoWriter {
 public:
  RankFile(const std::filesystem::path& folder, int rank)
      : DebugInfoWriter((folder / "rank_").string(), rank) {}
};

void record_flight(const NcclOptions& options, const mpi::Communicator& world) {
  offer({"TORCH_FR_BUFFER_SIZE", "TORCH_NCCL_TRACE_BUFFER_SIZE"}, std::to_string(options.flight_recorder));
  offer({"TORCH_NCCL_DUMP_ON_TIMEOUT"}, "1");
  static bool registered = false;
  if (registered || options.flight_folder.empty()) return;
  for (const char* name : {"TORCH_FR_DUMP_TEMP_FILE", "TORCH_NCCL_DEBUG_INFO_TEMP_FILE"}) {
    if (const char* given = std::getenv(name)) {
      log::warn("{}={} of the environment stays", name, given);
      return;
    }
  }
  mpi::all_or_none(world, [&] {
    std::error_code error;
    std::filesystem::create_directories(options.flight_folder, error);
    if (error) {
      throw IoError("cannot make a folder", error.value(), {"record the flight", options.flight_folder, ""});
    }
  });
  c10d::DebugInfoWriter::registerWriter(std::make_unique<RankFile>(options.flight_folder, world.rank()));
  registered = true;
  log::info("flight recorder: what a failing collective leaves goes to {}", options.flight_folder.string());
}

}  // namespace

void prepare_nccl(const NcclOptions& options, const mpi::Communicator& world, c10::Device device) {
  if (!device.is_cuda()) {
    const char* name = options.flight_recorder > 0   ? "train.flight_recorder"
                       : options.nan_check           ? "train.nan_check"
                       : options.timeout.count() > 0 ? "train.collective_timeout"
                                                     : nullptr;
    if (name == nullptr) return;
    throw UsageError("it concerns NCCL's collectives, and this run computes on the CPU",
                     {"prepare NCCL", name, "leave it out, or run on GPUs with --train.device cuda"});
  }
  if (options.flight_recorder > 0) record_flight(options, world);
  if (options.nan_check) offer({"TORCH_NCCL_NAN_CHECK"}, "1");
}

}  // namespace terramill::parallel
