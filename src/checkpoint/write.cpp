#include "layout.hpp"
#include "new_directory.hpp"
#include "share.hpp"

#include <terramill/checkpoint/checkpoint.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/trace.hpp>
#include <terramill/mpi/patient.hpp>

#include <optional>

namespace terramill::checkpoint {

namespace fs = std::filesystem;

fs::path write(const mpi::Communicator& comm, const fs::path& run, const Snapshot& snapshot) {
  if (snapshot.rank() != comm.rank() || snapshot.ranks() != comm.size()) {
    throw UsageError("the snapshot was taken for another rank or number of ranks",
                     {"write a checkpoint", run.string(), ""});
  }
  const mpi::Patient ranks(comm);
  const fs::path folder = folder_of(run);
  const std::string name = step_name(snapshot.step());
  std::optional<NewDirectory> directory;
  ranks.all_or_none([&] {
    if (ranks.rank() == 0) directory.emplace(folder, name);
  });
  const fs::path temporary = ranks.broadcast(directory ? directory->path().string() : "");
  Json share;
  ranks.all_or_none([&] { share = write_share(snapshot, temporary, /*durable=*/true); });
  const std::vector<std::string> shares = ranks.gather(dump_json(share));
  ranks.all_or_none([&] {
    if (ranks.rank() != 0) return;
    const trace::Span span("checkpoint commit", "checkpoint");
    directory->publish(index_of(head_of(snapshot), shares));
  });
  return folder / name;
}

namespace {

template <typename Tensors>
fs::path snapshot_and_write(const mpi::Communicator& comm, const fs::path& run, std::int64_t step,
                            const Tensors& tensors, const Json& meta) {
  std::optional<Snapshot> snapshot;
  mpi::all_or_none(comm, [&] { snapshot.emplace(comm.rank(), comm.size(), step, tensors, meta); });
  return write(comm, run, *snapshot);
}

}  // namespace

fs::path save(const mpi::Communicator& comm, const fs::path& run, std::int64_t step,
              const std::vector<StateTensor>& tensors, const Json& meta) {
  return snapshot_and_write(comm, run, step, tensors, meta);
}

fs::path save(const mpi::Communicator& comm, const fs::path& run, std::int64_t step,
              const std::vector<NamedTensor>& tensors, const Json& meta) {
  return snapshot_and_write(comm, run, step, tensors, meta);
}

}  // namespace terramill::checkpoint
