#pragma once

#include <optional>
#include <span>
#include <string>

namespace terramill::parallel {

/// Published peaks of an accelerator: TFLOP/s of dense matrix products, without structured sparsity; 0 where
/// it has no such unit or its data sheet tells none. float64 and, for AMD, float32 are those of the matrix
/// units where there are any, which the vendor's library uses; float32 is without TF32.
struct DataSheet {
  const char* name;      ///< for a reader
  const char* contains;  ///< a part of the name that its driver tells, e.g. of "NVIDIA H100 80GB HBM3"
  double float64, float32, tfloat32, bfloat16, float16;
  const char* source;
};

/// The accelerators known, the more special name first where one contains another.
std::span<const DataSheet> data_sheets();

/// Dense peak rate of matrix products, FLOP/s. `device`: as its driver names it. `precision`: float64,
/// float32 (without TF32, as LibTorch computes it by default), bfloat16 or float16. Nothing for a device or
/// precision that no sheet has.
std::optional<double> data_sheet_peak(const std::string& device, const std::string& precision);

}  // namespace terramill::parallel
