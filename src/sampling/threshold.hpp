#pragma once

#include <terramill/mpi/communicator.hpp>

#include <cstdint>
#include <span>
#include <vector>

namespace terramill::sampling {

/// The `count` smallest keys of a group are wanted; 1 <= count <= the group's items on all ranks.
struct Target {
  std::uint32_t group = 0;
  std::uint64_t count = 0;
};

/// The `count` smallest are those below `key`, and of those equal to it the first `ties` on this rank: over
/// all ranks, in order of rank and position, exactly as many as are missing.
struct Threshold {
  std::uint64_t key = 0;
  std::uint64_t ties = 0;
};

/// Finds the thresholds of items spread over the ranks, by radix selection: eight rounds of one 256-bin
/// histogram per target, summed over ranks; after the first round only the keys that share a target's first
/// digit are looked at. `groups[i]` is the group of `keys[i]`, below `group_count`; empty where all belong to
/// group 0. Collective; targets are equal on every rank.
std::vector<Threshold> find_thresholds(const mpi::Communicator& comm, std::span<const std::uint64_t> keys,
                                       std::span<const std::uint8_t> groups, std::size_t group_count,
                                       std::span<const Target> targets);

}  // namespace terramill::sampling
