#pragma once

#include <optional>
#include <string>

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

namespace terramill::parallel {

/// Dense peak rate of matrix products, FLOP/s, from the maker's data sheet. `device`: as CUDA names it, e.g.
/// "NVIDIA H100 80GB HBM3". `type`: float64, float32 (without TF32, as LibTorch computes it by default),
/// bfloat16 or float16. Nothing for a device or type that the table lacks.
///
/// Known: H100 (SXM, PCIe, NVL), H200 (SXM, NVL), GH200, A100, V100 (SXM2, PCIe, V100S) and L40S.
std::optional<double> data_sheet_peak(const std::string& device, at::ScalarType type);

/// The rate that a short square matrix product reaches on `device`, the best of those done in about 0.15 s.
/// Ranks that share a processor call it at the same time.
double measure_peak(c10::Device device, at::ScalarType type);

/// This rank's peak as `source` says: "auto", the data sheet's, nothing on a CPU; "measure"; or a number of
/// TFLOP/s. UsageError for another word or a number that is not positive.
std::optional<double> peak_of(const std::string& source, c10::Device device, at::ScalarType type);

}  // namespace terramill::parallel
