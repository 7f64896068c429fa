#pragma once

#include <terramill/checkpoint/checkpoint.hpp>
#include <terramill/checkpoint/parity_sets.hpp>
#include <terramill/core/json.hpp>
#include <terramill/mpi/communicator.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace terramill::checkpoint {

struct LocalOptions {
  std::filesystem::path folder;  ///< on the node's own disk
  std::string run;               ///< the run's identity: what other runs left in the folder is not looked at
  RankPlace place;               ///< of this rank
  int parity_set = 4;            ///< nodes that keep a parity together; below 2: none
};

/// Checkpoints on the nodes' own disks, quicker to write than those of the shared file system, and with an
/// XOR parity across nodes (parity_sets.hpp): the loss of any one node of a set loses nothing. Two are kept.
/// They survive processes, not all nodes: nothing is synced, and every byte is checked before it is used.
///
///     FOLDER/RUN/NODE/step-NNNNNNNN/rank-NNNNN.safetensors, .parity, .json       (docs/formats.md)
class LocalTier {
 public:
  static constexpr std::size_t kKept = 2;

  /// Collective.
  LocalTier(const mpi::Communicator& world, LocalOptions options);

  /// Writes a checkpoint; `comm` is of the ranks of the constructor's. Whatever happens, an earlier one stays
  /// whole on all nodes. Collective, asleep while others are waited for; when any rank fails, all throw.
  void write(const mpi::Communicator& comm, const Snapshot& snapshot) const;

  /// A checkpoint of which some node still has a part.
  struct Found {
    std::int64_t step = 0;
    std::string fault;  ///< why it cannot be restored; empty: it can
    Json parts;         ///< what is where, on rank 0
  };
  /// What the nodes of this job have of the run, newest first, whatever layout wrote it. File names and sizes
  /// are looked at, no bytes. Equal on every rank but for `parts`. Collective.
  std::vector<Found> find(const mpi::Communicator& comm) const;

  /// Makes of one that was found an ordinary checkpoint of the run folder and returns its path: every file is
  /// checked, and what a lost node had, or is damaged, is rebuilt from the parity. Collective. IntegrityError
  /// saying what is lost where it cannot be; Error where the run folder takes no copy.
  std::filesystem::path promote(const mpi::Communicator& comm, const Found& found,
                                const std::filesystem::path& run) const;

  /// Groups of ranks that keep a parity, and ranks that are in none.
  const std::vector<std::vector<int>>& groups() const noexcept { return groups_; }
  std::vector<int> unprotected() const;
  /// Bytes of this rank in its newest checkpoint, and of its parity: what the last `write` wrote.
  std::uint64_t own_bytes() const noexcept { return own_bytes_; }
  std::uint64_t parity_bytes() const noexcept { return parity_bytes_; }

 private:
  void prune(std::int64_t newest) const;

  LocalOptions options_;
  int rank_;
  std::vector<RankPlace> places_;
  std::vector<std::vector<int>> groups_;
  std::vector<int> own_group_;  ///< at least this rank
  std::vector<int> on_node_;    ///< ranks of this node, ascending; the first looks after its folder
  std::filesystem::path home_;  ///< FOLDER/RUN/NODE
  mutable std::uint64_t own_bytes_ = 0, parity_bytes_ = 0;
};

/// What must be done to restore a local checkpoint, or why it cannot be: of what each node has (`parts`, as
/// `find` lists it) and the ranks whose files turned out damaged.
struct RestorePlan {
  struct Rebuild {
    int lost = 0;
    std::vector<int> group;
    int by = 0;  ///< the present rank that does it
  };
  std::string fault;
  std::vector<Rebuild> rebuilds;
};
RestorePlan plan_restore(const Json& parts, const std::vector<int>& damaged = {});

}  // namespace terramill::checkpoint
