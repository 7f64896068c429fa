#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string_view>

namespace terramill {

/// Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC11,
/// section 4: a keyed bijection of the 128-bit counter.
std::array<std::uint32_t, 4> philox4x32_10(std::array<std::uint32_t, 4> counter,
                                           std::array<std::uint32_t, 2> key) noexcept;

/// What a stream of random numbers is for. Two purposes never share numbers. Values are part of the results:
/// append, never renumber.
enum class Purpose : std::uint32_t {
  kSelection = 1,  ///< which tiles of a stratum
  kShuffle = 2,    ///< order of an epoch
  kSplit = 3,      ///< train, validation, test
  kCrop = 4,
  kFlip = 5,
  kMask = 6,            ///< masked patches
  kInitialisation = 7,  ///< model parameters
  kModality = 8,        ///< modality plan of a micro-batch
  kWorld = 9,           ///< the invented world
  kDropPath = 10,
  kTest = 11,
  kView = 12,       ///< crops and flips of multi-crop training
  kBootstrap = 13,  ///< resamples of test tiles
  kOcean = 14,      ///< which ocean tiles are kept
};

/// A stream of random numbers that depends on its key alone: never on ranks, threads or what was drawn
/// elsewhere.
///
/// The key is (seed, purpose, a, b). One Philox call, keyed by the halves of the seed, encrypts the counter
/// (a low, a high, b low, b high) to d0 d1 d2 d3; the stream is Philox keyed by (d0, d1) on the counters
/// (block, purpose, d2, d3). Philox is a bijection and d is used whole, so within one seed no two keys share
/// a counter: their streams cannot coincide. A stream holds 2^34 numbers. Satisfies
/// std::uniform_random_bit_generator, but the library's distributions are not used where results must repeat
/// across standard libraries.
class PhiloxStream {
 public:
  using result_type = std::uint32_t;
  PhiloxStream(std::uint64_t seed, Purpose purpose, std::uint64_t a = 0, std::uint64_t b = 0) noexcept;

  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }
  result_type operator()() noexcept;

  /// Two numbers of the stream, the first in the low half.
  std::uint64_t next_u64() noexcept;
  /// Uniform in [0, 1) with 53 bits.
  double uniform() noexcept;
  /// Uniform in [low, high).
  double uniform(double low, double high) noexcept { return low + (high - low) * uniform(); }
  /// Uniform integer in [0, n), without bias (rejection). n >= 1.
  std::uint64_t below(std::uint64_t n) noexcept;
  /// Standard normal, by Box and Muller.
  double normal() noexcept;

 private:
  std::array<std::uint32_t, 4> counter_;
  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 4> block_{};
  int used_ = 4;
  bool has_spare_ = false;
  double spare_ = 0;
};

/// A 64-bit sort key of one item: PhiloxStream(seed, purpose, a, b).next_u64(), which is word 0 of the stream
/// in the low half and word 1 in the high half.
std::uint64_t philox_key(std::uint64_t seed, Purpose purpose, std::uint64_t a, std::uint64_t b) noexcept;

}  // namespace terramill
