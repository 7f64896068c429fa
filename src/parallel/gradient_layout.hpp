#pragma once

#include <terramill/parallel/gradient_buffer.hpp>

#include <cstdint>
#include <vector>

namespace terramill::parallel {

/// Every parameter, and every replica's share of a bucket, begins at a multiple of so many elements: sums
/// over blocks of them do not depend on who owns what.
inline constexpr std::int64_t kBlock = 1024;

/// Where a parameter's gradient lies.
struct Slot {
  std::size_t group;
  std::int64_t begin, count;  ///< elements in the group's flat buffer
  std::size_t first_bucket, last_bucket;
};

/// Elements [begin, end) of a group's flat buffer that are reduced at once; a multiple of dp blocks.
struct BucketRange {
  std::size_t group;
  std::int64_t begin, end;
  int parameters;  ///< that reach into it
};

/// The flat buffers of some groups: types, sizes, slots and buckets, all in order.
struct GradientLayout {
  /// UsageError as GradientBuffer's constructor.
  GradientLayout(const std::vector<ParameterGroup>& groups, c10::Device device, int dp,
                 std::int64_t bucket_bytes);

  std::vector<at::ScalarType> types;  ///< by group
  std::vector<std::int64_t> sizes;    ///< by group, padded
  std::vector<Slot> slots;            ///< by parameter
  std::vector<BucketRange> buckets;
  /// Numbers of the buckets in the order in which a backward pass completes them, about: by how far from the
  /// group's end they begin.
  std::vector<std::size_t> backward_order;

  /// What of each parameter lies in share `replica` of `dp` of the buckets, by parameter.
  std::vector<OwnedRange> shares(int replica, int dp) const;
};

}  // namespace terramill::parallel
