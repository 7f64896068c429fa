#pragma once

#include <terramill/corpus/tile.hpp>

#include <array>
#include <cstdint>
#include <span>

namespace terramill::sampling {

/// A tile's pixels per land-cover class, and the pixels of many tiles.
using Histogram = std::span<const std::uint32_t, corpus::kLandCoverClasses>;
using ClassPixels = std::array<std::uint64_t, corpus::kLandCoverClasses>;

/// log2(n), n >= 1, in units of 2^-56, too small by less than two of them. Integer arithmetic alone.
std::uint64_t log2_fixed(std::uint64_t n) noexcept;

/// The key of an item of weight w > 0 and 64 random bits x: the bits of the double -log2(u) / w,
/// u = (2 floor(x / 2^12) + 1) / 2^53, which are ordered as the keys are. The k smallest keys are a weighted
/// sample without replacement (Efraimidis and Spirakis, Information Processing Letters 97, 2006, algorithm
/// A).
std::uint64_t weighted_key(std::uint64_t x, double weight) noexcept;

/// f_c^(beta - 1) as multiples of 2^-32 of the largest, at least 1; f_c: the share of class c among `pixels`.
/// 0 for a class without pixels.
ClassPixels composition_factors(const ClassPixels& pixels, double beta);
/// sum over c of h_c factors_c, h_c the histogram's shares; factors[0] for a histogram of zeros.
double composition_weight(Histogram histogram, const ClassPixels& factors) noexcept;
/// 1/20 + H(h) / ln 12, H the entropy of the histogram's shares; 1/20 for a histogram of zeros.
double diversity_weight(Histogram histogram) noexcept;

}  // namespace terramill::sampling
