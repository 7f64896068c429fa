#pragma once

#include <terramill/checkpoint/state.hpp>
#include <terramill/core/json.hpp>
#include <terramill/mpi/communicator.hpp>
#include <terramill/parallel/gradient_buffer.hpp>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace terramill::checkpoint {

/// Prefix of the model's own tensors in a checkpoint: "model.<official name>".
inline constexpr const char* kModelPrefix = "model.";

/// What this rank writes of a checkpoint: its share, on the host.
class Snapshot {
 public:
  struct Global {
    std::string name, dtype;
    std::vector<std::int64_t> shape;
  };
  /// A run of elements of tensor number `tensor`, on the host.
  struct Part {
    std::size_t tensor;
    Piece piece;
    std::string stored_as;  ///< in this rank's file
  };

  /// Copies the share of `rank` of `ranks`, so that training may go on while it is written. Every rank gives
  /// the same names, unique, in the same order; the bytes of tensors of one set of holders, in order, are cut
  /// into as many runs of about equal length as there are holders, at whole elements. `meta` is stored as
  /// given (rank 0's counts): epoch, position, seed, config, corpus hash, layout, replaced tiles. The memory
  /// of `spare`, an earlier snapshot, is used again where it fits: pages need not be faulted in, nor pinned
  /// for a GPU, anew. Not collective.
  Snapshot(int rank, int ranks, std::int64_t step, const std::vector<StateTensor>& tensors, Json meta,
           std::optional<Snapshot> spare = std::nullopt);
  /// The same share, copied only where it is not on the host: the tensors must not change while this lives.
  static Snapshot view_of(int rank, int ranks, std::int64_t step, const std::vector<StateTensor>& tensors,
                          Json meta);
  /// A copy, of tensors that are equal on every rank.
  Snapshot(int rank, int ranks, std::int64_t step, const std::vector<NamedTensor>& tensors, Json meta);

  std::int64_t step() const noexcept { return step_; }
  int rank() const noexcept { return rank_; }
  int ranks() const noexcept { return ranks_; }
  const Json& meta() const noexcept { return meta_; }
  /// Every tensor of the state, and what is here of them.
  const std::vector<Global>& globals() const noexcept { return globals_; }
  const std::vector<Part>& parts() const noexcept { return parts_; }

 private:
  /// Gives what is stored of the values of part `number`.
  using Hold = std::function<at::Tensor(const at::Tensor& values, std::size_t number)>;
  Snapshot(int rank, int ranks, std::int64_t step, const std::vector<StateTensor>& tensors, Json meta,
           const Hold& hold);

  int rank_, ranks_;
  std::int64_t step_;
  Json meta_;
  std::vector<Global> globals_;
  std::vector<Part> parts_;
};

/// Writes RUN/checkpoints/step-NNNNNNNN and then `latest`, durably, and returns the directory. Each rank
/// writes rank-NNNNN.safetensors into a directory of temporary name; after all have, rank 0 adds index.json
/// and gives the directory its name. A kill at any moment leaves earlier checkpoints as they were. What
/// earlier kills left is removed. Collective, asleep while others are waited for (mpi::Patient); when any
/// rank fails, all throw (IoError on the one whose disk is full).
std::filesystem::path write(const mpi::Communicator& comm, const std::filesystem::path& run,
                            const Snapshot& snapshot);

/// Snapshot and write at once. Collective.
std::filesystem::path save(const mpi::Communicator& comm, const std::filesystem::path& run, std::int64_t step,
                           const std::vector<StateTensor>& tensors, const Json& meta);
std::filesystem::path save(const mpi::Communicator& comm, const std::filesystem::path& run, std::int64_t step,
                           const std::vector<NamedTensor>& tensors, const Json& meta);

/// The checkpoints of a run, oldest first. Nothing is verified: a checkpoint has an index.json before it gets
/// its name, so one without it is here, too, as a damaged one. IoError when the folder is there but cannot be
/// read, so that no run takes itself for a new one.
std::vector<std::filesystem::path> list(const std::filesystem::path& run);

/// The step that a checkpoint's directory is named after, also one that waits to be replaced; -1 for another
/// name.
std::int64_t step_named_by(const std::filesystem::path& checkpoint);

/// Runs `job` on every rank. Returns what the first rank that met damage says of it, on every rank, and ""
/// where none did. Damage is IntegrityError, FormatError, and IoError of what is missing or cannot be read
/// (tells_damage): what an older checkpoint helps against. Any other exception is thrown on all ranks, as by
/// mpi::all_or_none; `job` may use that itself. Collective.
std::string damage_in(const mpi::Communicator& comm, const std::function<void()>& job);

/// The newest checkpoint of a run whose every byte agrees with its hash, or nothing where there is none. A
/// damaged one is named in a warning and the one before is taken. The ranks share the reading; nothing is
/// written, so a run that goes on is not disturbed. Collective.
std::optional<std::filesystem::path> find_latest(const mpi::Communicator& comm,
                                                 const std::filesystem::path& run);

/// What `init_from` (checkpoint/reader.hpp) is to read for all ranks: of a run its newest checkpoint, as by
/// find_latest; of anything else itself. UsageError for a run without one. Collective.
std::filesystem::path find_weights(const mpi::Communicator& comm, const std::filesystem::path& source);

/// Which checkpoints of a run are kept.
struct KeepPolicy {
  int newest = 3;          ///< at least 1
  std::int64_t every = 0;  ///< steps: the first checkpoint at or after each multiple stays; 0: none does
};

/// Those of `steps`, ascending, that the policy does not keep. UsageError for a policy that keeps none.
std::vector<std::int64_t> superfluous(const std::vector<std::int64_t>& steps, const KeepPolicy& policy);

/// Removes the checkpoints up to step `newest` that the policy does not keep, and what kills left; returns
/// the removed. Later ones are damaged, or of a course that the run has left: they do not count, since the
/// last good ones would go for their sake; nor does one without an index. By rank 0 of the run alone.
std::vector<std::filesystem::path> prune(const std::filesystem::path& run, const KeepPolicy& policy,
                                         std::int64_t newest);

}  // namespace terramill::checkpoint
