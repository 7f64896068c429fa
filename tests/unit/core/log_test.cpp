#include "support/error_text.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/log.hpp>

namespace terramill {
namespace {

using testing::contains;
using testing::text_of;

/// What a debug, an info and a warning leave on standard error.
std::string logged(const std::string& level, bool all_ranks, int rank, int size) {
  set_process_identity(rank, size);
  ::testing::internal::CaptureStderr();
  log::init(level, all_ranks);
  log::debug("a {}", 1);
  log::info("b {}", 2);
  log::warn("c {}", 3);
  std::string text = ::testing::internal::GetCapturedStderr();
  set_process_identity(0, 1);
  return text;
}

TEST(Log, LevelHidesWhatIsBelow) {
  const auto text = logged("info", false, 0, 1);
  EXPECT_EQ(text.find("a 1"), std::string::npos);
  EXPECT_TRUE(contains(text, "info b 2\n"));
  EXPECT_TRUE(contains(text, "warning c 3\n"));
  EXPECT_EQ(text.find("rank"), std::string::npos);
}

TEST(Log, OtherRanksOnlyWarnUnlessAskedForMore) {
  const auto quiet = logged("debug", false, 2, 4);
  EXPECT_EQ(quiet.find("b 2"), std::string::npos);
  EXPECT_TRUE(contains(quiet, "[rank 2] c 3"));
  const auto loud = logged("debug", true, 2, 4);
  EXPECT_TRUE(contains(loud, "[rank 2] a 1"));
}

TEST(Log, OffIsSilentOnEveryRank) {
  EXPECT_EQ(logged("off", false, 0, 1), "");
  EXPECT_EQ(logged("off", false, 1, 2), "");
}

TEST(Log, UnknownLevelIsRefusedWithTheNearest) {
  const auto text = text_of<UsageError>([] { log::init("wran"); });
  EXPECT_TRUE(contains(text, "did you mean warn?"));
}

}  // namespace
}  // namespace terramill
