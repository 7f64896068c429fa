#pragma once

#include <terramill/parallel/mesh.hpp>

#include <cstdint>
#include <string>

namespace terramill::parallel {

/// Latency and bandwidth of all-reduces among replicas, of the slowest rank.
struct LinkSpeed {
  double seconds = 0;           ///< of the smallest
  double bytes_per_second = 0;  ///< of large ones, without the latency
};

/// Measured with a few small and a few large all-reduces, some tens of milliseconds on a fast link.
/// Collective. Precondition: dp > 1.
LinkSpeed measure_link(const Mesh& mesh);

/// The bucket of which latency takes a twentieth of the time, as a power of two from 1 to 64 MiB.
std::int64_t bucket_for(const LinkSpeed& speed);

/// Bytes of a gradient bucket from `text`: MiB, or "auto", which measures (25 MiB with one replica).
/// UsageError for anything else. Collective for "auto".
std::int64_t bucket_bytes(const Mesh& mesh, const std::string& text);

}  // namespace terramill::parallel
