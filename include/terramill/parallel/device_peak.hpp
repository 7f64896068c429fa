#pragma once

#include <optional>
#include <string>

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

namespace terramill::parallel {

/// The rate that a short square matrix product reaches on `device`, the best of those done in about 0.15 s.
/// Ranks that share a processor call it at the same time.
double measure_peak(c10::Device device, at::ScalarType type);

/// This rank's peak as `source` says: "auto", the data sheet's (data_sheet.hpp), nothing on a CPU; "measure";
/// or a number of TFLOP/s. UsageError for another word or a number that is not positive.
std::optional<double> peak_of(const std::string& source, c10::Device device, at::ScalarType type);

}  // namespace terramill::parallel
