#include "support/error_text.hpp"

#include <terramill/core/error.hpp>

#include <cerrno>

namespace terramill {
namespace {

using testing::contains;

TEST(Error, TextNamesWhatWhereAndWhatToDo) {
  const IoError fault("cannot open /x/y", ENOENT, {"open shard 12", "/x/y", "check the path"});
  const std::string text = fault.what();
  EXPECT_TRUE(contains(
      text, "cannot open /x/y: No such file or directory (while: open shard 12; advice: check the path)"));
  EXPECT_TRUE(contains(text, "[host " + process_host() + ", rank 0 of 1, error_test.cpp:"));
  EXPECT_EQ(fault.error_number(), ENOENT);
  EXPECT_EQ(text.find('\n'), std::string::npos);
}

TEST(Error, SubjectAppearsOnceOnly) {
  EXPECT_TRUE(contains(Error("no such tile", {"", "tile 7", ""}).what(), "(about: tile 7)"));
  const std::string text = Error("tile 7 is missing", {"", "tile 7", ""}).what();
  EXPECT_EQ(text.find("about:"), std::string::npos);
}

TEST(Error, EmptyContextLeavesNoBrackets) { EXPECT_TRUE(contains(Error("plain").what(), "plain [host ")); }

TEST(Error, NamesTheRankOfAJob) {
  set_process_identity(3, 8);
  EXPECT_TRUE(contains(Error("plain").what(), "rank 3 of 8"));
  set_process_identity(0, 1);
}

TEST(Error, ExitCodesTellUsageFromFailure) {
  EXPECT_EQ(Error("x").exit_code(), ExitCode::kFailed);
  EXPECT_EQ(IoError("x", 0).exit_code(), ExitCode::kFailed);
  EXPECT_EQ(UsageError("x").exit_code(), ExitCode::kUsage);
  EXPECT_EQ(AgreementError("x").exit_code(), ExitCode::kUsage);
}

}  // namespace
}  // namespace terramill
