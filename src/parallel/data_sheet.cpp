#include <terramill/parallel/data_sheet.hpp>

#include <algorithm>
#include <array>

namespace terramill::parallel {

namespace {

// Data sheets that print tensor-core figures with sparsity print them twice as high.
constexpr std::array<DataSheet, 16> kDataSheets{{
    {"NVIDIA GB200, one of its two GPUs", "GB200", 40, 80, 1250, 2500, 2500,
     "NVIDIA GB200 NVL72 data sheet, 2024"},
    {"NVIDIA B200 SXM", "B200", 37, 75, 1125, 2250, 2250, "NVIDIA HGX B200 data sheet, 2024"},
    {"NVIDIA GH200", "GH200", 67, 67, 494.5, 989.5, 989.5, "NVIDIA GH200 data sheet, 2024"},
    {"NVIDIA H200 NVL", "H200 NVL", 60, 60, 417.5, 835.5, 835.5, "NVIDIA H200 data sheet, 2024"},
    {"NVIDIA H200 SXM", "H200", 67, 67, 494.5, 989.5, 989.5, "NVIDIA H200 data sheet, 2024"},
    {"NVIDIA H100 NVL", "H100 NVL", 60, 60, 417.5, 835.5, 835.5, "NVIDIA H100 NVL data sheet, 2024"},
    {"NVIDIA H100 PCIe", "H100 PCIe", 51, 51, 378, 756.5, 756.5, "NVIDIA H100 data sheet, 2022"},
    {"NVIDIA H100 SXM", "H100", 67, 67, 494.5, 989.5, 989.5, "NVIDIA H100 data sheet, 2024"},
    {"NVIDIA A100", "A100", 19.5, 19.5, 156, 312, 312, "NVIDIA A100 data sheet, 2022"},
    {"NVIDIA V100S PCIe", "V100S-PCIE", 8.2, 16.4, 0, 0, 130, "NVIDIA V100 data sheet, 2020"},
    {"NVIDIA V100 PCIe", "V100-PCIE", 7, 14, 0, 0, 112, "NVIDIA V100 data sheet, 2020"},
    {"NVIDIA V100 SXM2", "V100-SXM2", 7.8, 15.7, 0, 0, 125, "NVIDIA V100 data sheet, 2020"},
    {"NVIDIA L40S", "L40S", 0, 91.6, 183, 362.05, 362.05, "NVIDIA L40S data sheet, 2023"},
    {"NVIDIA A40", "NVIDIA A40", 0, 37.4, 74.8, 149.7, 149.7, "NVIDIA A40 data sheet, 2020"},
    {"AMD MI300X", "MI300X", 163.4, 163.4, 653.7, 1307.4, 1307.4, "AMD Instinct MI300X data sheet, 2023"},
    {"AMD MI250X, one of its two dies", "MI250X", 47.85, 47.85, 0, 191.5, 191.5,
     "AMD Instinct MI250X data sheet, 2021"},
}};

double rate_of(const DataSheet& sheet, const std::string& precision) {
  if (precision == "float64") return sheet.float64;
  if (precision == "float32") return sheet.float32;
  if (precision == "bfloat16") return sheet.bfloat16;
  if (precision == "float16") return sheet.float16;
  return 0;
}

}  // namespace

std::span<const DataSheet> data_sheets() { return kDataSheets; }

std::optional<double> data_sheet_peak(const std::string& device, const std::string& precision) {
  const auto sheet = std::find_if(kDataSheets.begin(), kDataSheets.end(), [&](const DataSheet& known) {
    return device.find(known.contains) != std::string::npos;
  });
  if (sheet == kDataSheets.end() || rate_of(*sheet, precision) == 0) return std::nullopt;
  return rate_of(*sheet, precision) * 1e12;
}

}  // namespace terramill::parallel
