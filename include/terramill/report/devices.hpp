#pragma once

#include <optional>
#include <string>
#include <vector>

namespace terramill::report {

/// Published peaks of an accelerator: dense operations per second, without structured sparsity; 0: none.
struct DevicePeaks {
  const char* name;      ///< for a reader
  const char* contains;  ///< a part of the name that its driver tells
  double bfloat16, tfloat32, float32;
  const char* source;
};

/// The accelerators known, the more special name first where one contains another.
const std::vector<DevicePeaks>& known_devices();

/// The device of that driver's name; null for an unknown one.
const DevicePeaks* find_device(const std::string& name);

/// Its peak for "bfloat16" or "float32"; nothing where the device or the precision is not listed.
std::optional<double> device_peak(const std::string& name, const std::string& precision);

}  // namespace terramill::report
