#include "order.hpp"

#include "slices.hpp"
#include "threshold.hpp"

#include <algorithm>
#include <tuple>

namespace terramill::sampling {
namespace {

constexpr std::size_t kBlock = std::size_t{1} << 18;

/// Sends each item to the rank that `destination(i)` names, block by block, so that little more than one copy
/// is held.
template <typename Destination>
std::vector<KeyedEntry> exchange(const mpi::Communicator& comm, std::vector<KeyedEntry> items,
                                 Destination destination) {
  std::vector<KeyedEntry> received;
  const std::size_t blocks = comm.max(static_cast<std::uint64_t>((items.size() + kBlock - 1) / kBlock));
  for (std::size_t block = 0; block < blocks; ++block) {
    std::vector<std::vector<KeyedEntry>> send(static_cast<std::size_t>(comm.size()));
    const std::size_t end = std::min(items.size(), (block + 1) * kBlock);
    for (std::size_t i = block * kBlock; i < end; ++i) send[destination(i, items[i])].push_back(items[i]);
    const auto part = comm.all_to_all(send);
    received.insert(received.end(), part.begin(), part.end());
  }
  return received;
}

void sort_locally(std::vector<KeyedEntry>& entries) {
  std::sort(entries.begin(), entries.end(), [](const KeyedEntry& a, const KeyedEntry& b) {
    return std::tie(a.key, a.entry.shard, a.entry.row) < std::tie(b.key, b.entry.shard, b.entry.row);
  });
}

/// The keys that end each rank's share but the last's.
std::vector<std::uint64_t> splitters(const mpi::Communicator& comm, const std::vector<KeyedEntry>& items,
                                     std::uint64_t total) {
  std::vector<std::uint64_t> keys(items.size());
  std::transform(items.begin(), items.end(), keys.begin(), [](const KeyedEntry& item) { return item.key; });
  std::vector<Target> targets;
  for (int rank = 1; rank < comm.size(); ++rank) {
    targets.push_back({0, std::max<std::uint64_t>(1, slice_begin(total, comm.size(), rank))});
  }
  std::vector<std::uint64_t> last;
  for (const Threshold& threshold : find_thresholds(comm, keys, {}, 1, targets))
    last.push_back(threshold.key);
  return last;
}

}  // namespace

std::vector<PlanEntry> sort_entries(const mpi::Communicator& comm, std::vector<KeyedEntry> entries) {
  const std::uint64_t total = comm.sum(static_cast<std::uint64_t>(entries.size()));
  if (comm.size() > 1 && total > 0) {
    const auto last = splitters(comm, entries, total);
    entries = exchange(comm, std::move(entries), [&](std::size_t, const KeyedEntry& item) {
      return static_cast<std::size_t>(std::lower_bound(last.begin(), last.end(), item.key) - last.begin());
    });
  }
  sort_locally(entries);

  // Equal keys went to one rank, so a share may be off by a few.
  std::uint64_t begin = entries.size();
  comm.exclusive_scan(std::span(&begin, 1));
  const bool exact = begin == slice_begin(total, comm.size(), comm.rank()) &&
                     begin + entries.size() == slice_begin(total, comm.size(), comm.rank() + 1);
  if (comm.max(exact ? 0 : 1) != 0) {
    entries = exchange(comm, std::move(entries), [&](std::size_t i, const KeyedEntry&) {
      return static_cast<std::size_t>(slice_owner(total, comm.size(), begin + i));
    });
    sort_locally(entries);
  }
  std::vector<PlanEntry> sorted(entries.size());
  std::transform(entries.begin(), entries.end(), sorted.begin(),
                 [](const KeyedEntry& item) { return item.entry; });
  return sorted;
}

}  // namespace terramill::sampling
