#include "run_trace.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/log.hpp>
#include <terramill/core/trace.hpp>
#include <terramill/mpi/clock_offset.hpp>

#include <cstdio>
#include <limits>
#include <string>
#include <system_error>
#include <vector>

namespace terramill::train {

namespace fs = std::filesystem;

namespace {

std::string rank_name(int rank) {
  char name[32];
  std::snprintf(name, sizeof name, "rank-%05d.json", rank);
  return name;
}

/// Runs `job`; where the file system refuses, warns: a trace is not worth a run. Whether it went well.
template <typename F>
bool try_to(F&& job) {
  try {
    job();
    return true;
  } catch (const IoError& fault) {
    log::warn("no trace: {}", fault.what());
    return false;
  }
}

}  // namespace

RunTrace::RunTrace(const mpi::Communicator& world, const PretrainConfig& config)
    : world_(world),
      folder_(fs::path(config.output) / "trace"),
      begin_(config.trace ? config.tracing.begin : std::numeric_limits<std::int64_t>::max()),
      end_(config.trace ? begin_ + config.tracing.steps : begin_) {
  trace::name_thread("main");
}

void RunTrace::before_step() {
  if (steps_ == end_) finish();
  if (steps_ == begin_) trace::start();
  ++steps_;
}

void RunTrace::finish() {
  if (!trace::recording()) return;
  trace::stop();
  const trace::Recording recording = trace::collect();
  if (recording.dropped > 0) {
    log::warn("the trace lacks {} events: a thread keeps {} at most; trace fewer steps", recording.dropped,
              trace::kMostEvents);
  }
  bool written = try_to([&] {
    if (world_.rank() != 0) return;
    std::error_code fault;
    fs::remove_all(folder_, fault);
    if (!fault) fs::create_directories(folder_, fault);
    if (fault)
      throw IoError("cannot make the folder", fault.value(), {"write a trace", folder_.string(), ""});
  });
  const mpi::ClockOffset clock = mpi::clock_offset(world_);
  // Rank 0's begin; the others' sums add nothing to it.
  const std::int64_t origin = world_.sum(world_.rank() == 0 ? recording.begin : std::int64_t{0});
  if (world_.min(static_cast<int>(written)) == 0) return;
  written = try_to([&] {
    trace::write(folder_ / rank_name(world_.rank()), recording,
                 {world_.rank(), process_host(), clock.offset, clock.round_trip, origin});
  });
  if (world_.min(static_cast<int>(written)) == 0 || world_.rank() != 0) return;
  std::vector<fs::path> files;
  for (int rank = 0; rank < world_.size(); ++rank) files.push_back(folder_ / rank_name(rank));
  try_to([&] {
    trace::merge(files, folder_ / "trace.json");
    log::info("trace of {} steps: {}", steps_ - begin_, (folder_ / "trace.json").string());
  });
}

}  // namespace terramill::train
