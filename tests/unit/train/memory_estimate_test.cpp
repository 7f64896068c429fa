#include <terramill/train/memory_estimate.hpp>

#include <gtest/gtest.h>

namespace terramill::train {
namespace {

TEST(MemoryEstimate, IsWrittenPartByPart) {
  MemoryEstimate estimate;
  estimate.parameters = 3 << 20;
  estimate.input = 1 << 20;
  EXPECT_EQ(estimate.total(false), 4 << 20);
  EXPECT_EQ(estimate.total(true), 3 << 20);
  EXPECT_EQ(estimate.text(false), "4.00 MiB: parameters 3.00 MiB, input 1.00 MiB");
  EXPECT_EQ(estimate.text(true), "3.00 MiB: parameters 3.00 MiB");
}

}  // namespace
}  // namespace terramill::train
