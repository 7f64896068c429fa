#include <terramill/core/error.hpp>
#include <terramill/parallel/data_sheet.hpp>
#include <terramill/parallel/device_peak.hpp>

#include <string>

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

namespace terramill::parallel {
namespace {

TEST(DevicePeak, KnowsTheNamesThatCudaGives) {
  EXPECT_DOUBLE_EQ(data_sheet_peak("NVIDIA H100 80GB HBM3", "bfloat16").value_or(0), 989.5e12);
  EXPECT_DOUBLE_EQ(data_sheet_peak("NVIDIA H100 PCIe", "bfloat16").value_or(0), 756.5e12);
  EXPECT_DOUBLE_EQ(data_sheet_peak("NVIDIA H200", "float32").value_or(0), 67e12);
  EXPECT_DOUBLE_EQ(data_sheet_peak("NVIDIA GH200 480GB", "float64").value_or(0), 67e12);
  EXPECT_DOUBLE_EQ(data_sheet_peak("NVIDIA A100-SXM4-40GB", "float32").value_or(0), 19.5e12);
  EXPECT_DOUBLE_EQ(data_sheet_peak("NVIDIA A100 80GB PCIe", "float16").value_or(0), 312e12);
  EXPECT_DOUBLE_EQ(data_sheet_peak("Tesla V100-SXM2-16GB", "float32").value_or(0), 15.7e12);
  EXPECT_DOUBLE_EQ(data_sheet_peak("Tesla V100S-PCIE-32GB", "float32").value_or(0), 16.4e12);
  EXPECT_DOUBLE_EQ(data_sheet_peak("NVIDIA GB200", "bfloat16").value_or(0), 2500e12);
  EXPECT_DOUBLE_EQ(data_sheet_peak("NVIDIA A40-48Q", "bfloat16").value_or(0), 149.7e12);
  EXPECT_DOUBLE_EQ(data_sheet_peak("NVIDIA L40S", "float32").value_or(0), 91.6e12);
}

TEST(DevicePeak, IsUnknownWhereNoDataSheetTellsIt) {
  EXPECT_FALSE(data_sheet_peak("cpu", "float32"));
  EXPECT_FALSE(data_sheet_peak("Tesla V100-SXM2-16GB", "bfloat16")) << "Volta has no bfloat16";
  EXPECT_FALSE(data_sheet_peak("NVIDIA RTX A4000", "float32")) << "not an A40";
  EXPECT_FALSE(data_sheet_peak("NVIDIA H100 PCIe", "int64"));
  EXPECT_FALSE(peak_of("auto", c10::Device(c10::kCPU), at::kFloat));
}

TEST(DataSheets, TellMoreSpecialNamesFirstAndEverySource) {
  const auto sheets = data_sheets();
  for (std::size_t i = 0; i < sheets.size(); ++i) {
    const std::string name = sheets[i].contains;
    EXPECT_FALSE(std::string(sheets[i].source).empty()) << name;
    EXPECT_GT(sheets[i].float32, 0) << name;
    for (std::size_t j = 0; j < i; ++j) {
      EXPECT_EQ(name.find(sheets[j].contains), std::string::npos)
          << name << " is never found behind " << sheets[j].name;
    }
  }
}

TEST(DevicePeak, IsMeasuredOrGivenWhenAsked) {
  const c10::Device cpu(c10::kCPU);
  EXPECT_GT(peak_of("measure", cpu, at::kFloat).value(), 0);
  EXPECT_EQ(peak_of("1.5", cpu, at::kFloat), 1.5e12);
  for (const char* wrong : {"", "fast", "0", "-1", "2x", "nan"}) {
    EXPECT_THROW(peak_of(wrong, cpu, at::kFloat), UsageError) << wrong;
  }
}

}  // namespace
}  // namespace terramill::parallel
