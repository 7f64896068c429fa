#include <terramill/report/devices.hpp>

namespace terramill::report {

const std::vector<DevicePeaks>& known_devices() {
  // Tensor-core figures with sparsity are halved: the data sheets give them twice as high.
  static const std::vector<DevicePeaks> devices{
      {"NVIDIA B200 SXM", "B200", 2.25e15, 1.125e15, 7.5e13, "NVIDIA Blackwell architecture brief, 2024"},
      {"NVIDIA H200 SXM", "H200", 9.89e14, 4.945e14, 6.7e13, "NVIDIA H200 data sheet, 2023"},
      {"NVIDIA GH200", "GH200", 9.89e14, 4.945e14, 6.7e13, "NVIDIA GH200 data sheet, 2023"},
      {"NVIDIA H100 PCIe", "H100 PCIe", 7.56e14, 3.78e14, 5.1e13, "NVIDIA H100 data sheet, 2022"},
      {"NVIDIA H100 SXM", "H100", 9.89e14, 4.945e14, 6.7e13, "NVIDIA H100 data sheet, 2022"},
      {"NVIDIA A100", "A100", 3.12e14, 1.56e14, 1.95e13, "NVIDIA A100 data sheet, 2020"},
      {"NVIDIA V100 SXM2", "V100", 0, 0, 1.57e13, "NVIDIA V100 data sheet, 2018"},
      {"NVIDIA L40S", "L40S", 3.62e14, 1.83e14, 9.16e13, "NVIDIA L40S data sheet, 2023"},
      {"NVIDIA A40", "A40", 1.497e14, 7.48e13, 3.74e13, "NVIDIA A40 data sheet, 2020"},
      {"AMD MI300X", "MI300X", 1.3074e15, 6.537e14, 1.634e14, "AMD Instinct MI300X data sheet, 2023"},
      {"AMD MI250X, one of its two dies", "MI250X", 1.915e14, 0, 2.395e13,
       "AMD Instinct MI250X data sheet, 2021"}};
  return devices;
}

const DevicePeaks* find_device(const std::string& name) {
  for (const DevicePeaks& device : known_devices()) {
    if (name.find(device.contains) != std::string::npos) return &device;
  }
  return nullptr;
}

std::optional<double> device_peak(const std::string& name, const std::string& precision) {
  const DevicePeaks* const device = find_device(name);
  if (device == nullptr) return std::nullopt;
  const double peak = precision == "bfloat16"  ? device->bfloat16
                      : precision == "float32" ? device->float32
                                               : 0;
  return peak > 0 ? std::optional(peak) : std::nullopt;
}

}  // namespace terramill::report
