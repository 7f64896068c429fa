#include <terramill/core/error.hpp>
#include <terramill/parallel/device_peak.hpp>

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

namespace terramill::parallel {
namespace {

TEST(DevicePeak, KnowsTheNamesThatCudaGives) {
  EXPECT_DOUBLE_EQ(data_sheet_peak("NVIDIA H100 80GB HBM3", at::kBFloat16).value_or(0), 989.5e12);
  EXPECT_DOUBLE_EQ(data_sheet_peak("NVIDIA H100 PCIe", at::kBFloat16).value_or(0), 756.5e12);
  EXPECT_DOUBLE_EQ(data_sheet_peak("NVIDIA H200", at::kFloat).value_or(0), 67e12);
  EXPECT_DOUBLE_EQ(data_sheet_peak("NVIDIA GH200 480GB", at::kDouble).value_or(0), 67e12);
  EXPECT_DOUBLE_EQ(data_sheet_peak("NVIDIA A100-SXM4-40GB", at::kFloat).value_or(0), 19.5e12);
  EXPECT_DOUBLE_EQ(data_sheet_peak("NVIDIA A100 80GB PCIe", at::kHalf).value_or(0), 312e12);
  EXPECT_DOUBLE_EQ(data_sheet_peak("Tesla V100-SXM2-16GB", at::kFloat).value_or(0), 15.7e12);
  EXPECT_DOUBLE_EQ(data_sheet_peak("Tesla V100S-PCIE-32GB", at::kFloat).value_or(0), 16.4e12);
  EXPECT_DOUBLE_EQ(data_sheet_peak("NVIDIA L40S", at::kFloat).value_or(0), 91.6e12);
}

TEST(DevicePeak, IsUnknownWhereNoDataSheetTellsIt) {
  EXPECT_FALSE(data_sheet_peak("cpu", at::kFloat));
  EXPECT_FALSE(data_sheet_peak("Tesla V100-SXM2-16GB", at::kBFloat16)) << "Volta has no bfloat16";
  EXPECT_FALSE(data_sheet_peak("NVIDIA H100 PCIe", at::kLong));
  EXPECT_FALSE(peak_of("auto", c10::Device(c10::kCPU), at::kFloat));
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
