#include <terramill/core/expected.hpp>

#include <memory>
#include <string>

#include <gtest/gtest.h>

namespace terramill {
namespace {

Expected<std::unique_ptr<int>, std::string> positive(int value) {
  if (value <= 0) return Unexpected(std::string("not positive"));
  return std::make_unique<int>(value);
}

TEST(Expected, HoldsTheValueOrTheFault) {
  auto good = positive(3);
  ASSERT_TRUE(good);
  EXPECT_EQ(**good, 3);
  const auto bad = positive(-1);
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error(), "not positive");
}

TEST(Expected, GivesUpAMoveOnlyValue) {
  const std::unique_ptr<int> value = positive(5).value();
  EXPECT_EQ(*value, 5);
}

TEST(Expected, RefusesTheWrongSide) {
  auto bad = positive(0);
  EXPECT_THROW(static_cast<void>(bad.value()), std::bad_variant_access);
  auto good = positive(1);
  EXPECT_THROW(static_cast<void>(good.error()), std::bad_variant_access);
}

}  // namespace
}  // namespace terramill
