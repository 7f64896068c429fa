#pragma once

// Band statistics as the official converter computes them; internal to the corpus room.

#include <terramill/core/json.hpp>
#include <terramill/corpus/codec.hpp>
#include <terramill/corpus/schema.hpp>
#include <terramill/mpi/communicator.hpp>

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace terramill::corpus {

/// numpy's `np.random.seed(seed); np.random.randint(0, n, size=count)`: MT19937 (Matsumoto and Nishimura, ACM
/// TOMACS 8, 1998) with masked rejection. n >= 1.
std::vector<std::uint64_t> legacy_randint(std::uint32_t seed, std::uint64_t n, std::size_t count);

/// The official statistics (MMEarth-data, utils/normalization.py): pixel modalities over min(100000, N) rows
/// drawn with replacement from seed 0, lat, lon, month and era5 over all rows, in float32 where numpy keeps
/// it. `tiles`: rows per shard. Collective; whole on rank 0, null elsewhere.
Json reference_statistics(const mpi::Communicator& comm, const std::filesystem::path& corpus,
                          const Schema& schema, Codec codec, std::span<const std::uint64_t> tiles);

}  // namespace terramill::corpus
