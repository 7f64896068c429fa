#pragma once

#include <terramill/checkpoint/state.hpp>
#include <terramill/core/json.hpp>
#include <terramill/mpi/communicator.hpp>
#include <terramill/parallel/gradient_buffer.hpp>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace terramill::checkpoint {

/// Prefix of the model's own tensors in a checkpoint: "model.<official name>".
inline constexpr const char* kModelPrefix = "model.";

/// What this rank writes of a checkpoint: host copies of its share, taken at once, so that training may go on
/// while it is written.
class Snapshot {
 public:
  /// Copies the share of `rank` of `ranks`. Every rank gives the same names, unique, in the same order; the
  /// bytes of tensors of one set of holders, in order, are cut into as many runs of about equal length as
  /// there are holders, at whole elements. `meta` is stored as given (rank 0's counts): epoch, position,
  /// seed, config, corpus hash, layout, replaced tiles. Not collective.
  Snapshot(int rank, int ranks, std::int64_t step, const std::vector<StateTensor>& tensors, Json meta);
  /// Of tensors that are equal on every rank.
  Snapshot(int rank, int ranks, std::int64_t step, const std::vector<NamedTensor>& tensors, Json meta);

  std::int64_t step() const noexcept { return step_; }

 private:
  friend std::filesystem::path write(const mpi::Communicator&, const std::filesystem::path&, const Snapshot&);

  /// A run of elements of tensor number `tensor`, on the host.
  struct Part {
    std::size_t tensor;
    Piece piece;
    std::string stored_as;  ///< in this rank's file
  };
  struct Global {
    std::string name, dtype;
    std::vector<std::int64_t> shape;
  };
  int rank_, ranks_;
  std::int64_t step_;
  Json meta_;
  std::vector<Global> globals_;
  std::vector<Part> parts_;
};

/// Writes RUN/checkpoints/step-NNNNNNNN and then `latest`, durably, and returns the directory. Each rank
/// writes rank-NNNNN.safetensors into a directory of temporary name; after all have, rank 0 adds index.json
/// and gives the directory its name. A kill at any moment leaves earlier checkpoints as they were. What
/// earlier kills left is removed. Collective; when any rank fails, all throw (IoError on the one whose disk
/// is full).
std::filesystem::path write(const mpi::Communicator& comm, const std::filesystem::path& run,
                            const Snapshot& snapshot);

/// Snapshot and write at once. Collective.
std::filesystem::path save(const mpi::Communicator& comm, const std::filesystem::path& run, std::int64_t step,
                           const std::vector<StateTensor>& tensors, const Json& meta);
std::filesystem::path save(const mpi::Communicator& comm, const std::filesystem::path& run, std::int64_t step,
                           const std::vector<NamedTensor>& tensors, const Json& meta);

/// Complete checkpoints of a run, oldest first: those that have an index.json. Nothing is verified.
std::vector<std::filesystem::path> list(const std::filesystem::path& run);

/// The newest checkpoint of a run whose every byte agrees with its hash, or nothing where there is none. A
/// damaged one is named in a warning and the one before is taken. The ranks share the reading; nothing is
/// written, so a run that goes on is not disturbed. Collective.
std::optional<std::filesystem::path> find_latest(const mpi::Communicator& comm,
                                                 const std::filesystem::path& run);

/// Removes all but the newest `keep` (>= 1) complete checkpoints, and what kills left. By rank 0 of the run
/// alone.
void prune(const std::filesystem::path& run, int keep);

}  // namespace terramill::checkpoint
