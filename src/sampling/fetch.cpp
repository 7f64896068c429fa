#include "slices.hpp"

#include <terramill/core/error.hpp>
#include <terramill/sampling/plan.hpp>

#include <algorithm>
#include <numeric>

namespace terramill::sampling {

std::vector<PlanEntry> fetch(const mpi::Communicator& comm, const Plan& plan,
                             std::span<const std::uint64_t> positions) {
  mpi::all_or_none(comm, [&] {
    for (const std::uint64_t position : positions) {
      if (position < plan.total()) continue;
      throw UsageError("position " + std::to_string(position) + " is not in a plan of " +
                           std::to_string(plan.total()) + " positions",
                       {"fetch plan entries", "epoch " + std::to_string(plan.epoch), ""});
    }
  });
  constexpr std::size_t kBlock = std::size_t{1} << 18;  // bounds the memory of requests and answers
  const auto ranks = static_cast<std::size_t>(comm.size());
  const std::size_t blocks = comm.max(static_cast<std::uint64_t>((positions.size() + kBlock - 1) / kBlock));
  std::vector<PlanEntry> entries;
  entries.reserve(positions.size());
  for (std::size_t block = 0; block < blocks; ++block) {
    const std::size_t begin = std::min(positions.size(), block * kBlock);
    const auto part = positions.subspan(begin, std::min(kBlock, positions.size() - begin));

    std::vector<std::vector<std::uint64_t>> wanted(ranks);
    std::vector<int> owners;
    for (const std::uint64_t position : part) {
      owners.push_back(slice_owner(plan.total(), comm.size(), position));
      wanted[static_cast<std::size_t>(owners.back())].push_back(position);
    }
    std::vector<std::uint64_t> counts(ranks);
    std::transform(wanted.begin(), wanted.end(), counts.begin(),
                   [](const auto& list) { return list.size(); });
    std::vector<std::vector<std::uint64_t>> count_messages(ranks);
    for (std::size_t rank = 0; rank < ranks; ++rank) count_messages[rank] = {counts[rank]};
    const auto asked_counts = comm.all_to_all(count_messages);
    const auto asked = comm.all_to_all(wanted);

    std::vector<std::vector<PlanEntry>> answers(ranks);
    for (std::size_t rank = 0, next = 0; rank < ranks; ++rank) {
      for (std::uint64_t i = 0; i < asked_counts[rank]; ++i) {
        answers[rank].push_back(plan.entries[asked[next++] - plan.begin]);
      }
    }
    const auto received = comm.all_to_all(answers);  // in order of owner, then of request
    std::vector<std::size_t> next(ranks, 0);
    std::exclusive_scan(counts.begin(), counts.end(), next.begin(), std::size_t{0});
    for (const int owner : owners) entries.push_back(received[next[static_cast<std::size_t>(owner)]++]);
  }
  return entries;
}

std::vector<PlanEntry> fetch_reserve(const mpi::Communicator& comm, const Plan& plan) {
  const std::uint64_t end = plan.begin + plan.entries.size();
  const std::uint64_t first = std::min(std::max(plan.begin, plan.tiles), end);
  const std::span<const PlanEntry> own = std::span(plan.entries).subspan(first - plan.begin);
  std::vector<std::uint64_t> words;  // what the communicator can gather
  for (const PlanEntry& entry : own) {
    words.push_back(entry.tile_key);
    words.push_back(std::uint64_t{entry.shard} << 32 | entry.row);
  }
  const auto all = comm.all_gather(std::span<const std::uint64_t>(words));
  std::vector<PlanEntry> reserve;
  for (std::size_t i = 0; i + 1 < all.size(); i += 2) {
    reserve.push_back(
        {all[i], static_cast<std::uint32_t>(all[i + 1] >> 32), static_cast<std::uint32_t>(all[i + 1])});
  }
  return reserve;
}

}  // namespace terramill::sampling
