#include "support/scratch.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/fault_points.hpp>
#include <terramill/core/file.hpp>
#include <terramill/fault/injection.hpp>

#include <cerrno>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace terramill::fault {
namespace {

using testing::Scratch;

TEST(Injection, TextSurvivesParsing) {
  const std::string text =
      "kill@2:40,nan@0:7*,slow@11:1,bitflip@0:0,enospc@1:3,eio@1:4,stop@0:2,abort@0:1,throw@3:5";
  std::string again;
  for (const Injection& one : parse_injections(text)) again += (again.empty() ? "" : ",") + one.text();
  EXPECT_EQ(again, text);
  EXPECT_TRUE(parse_injections("").empty());
}

TEST(Injection, WrongTextIsRefusedByName) {
  for (const char* text : {"kill", "kill@1", "kill:1@1", "murder@0:1", "kill@x:1", "kill@-1:1", "kill@0:x",
                           "kill@0:-1", "kill@0:1**", "kill@0:", "kill@:1", "kill@0:1,nan"}) {
    EXPECT_THROW(parse_injections(text), UsageError) << text;
  }
}

TEST(Injection, StrikesItsRankAtItsUnitOnce) {
  const Injector injector(parse_injections("throw@0:3,throw@1:4"), {}, false);
  fault_points::begin_unit(1);
  EXPECT_THROW(fault_points::begin_unit(3), Error);
  fault_points::begin_unit(3);
  fault_points::begin_unit(4);
}

TEST(Injection, WithAStarItStrikesAtEveryReplay) {
  const Injector injector(parse_injections("throw@0:3*"), {}, false);
  EXPECT_THROW(fault_points::begin_unit(3), Error);
  EXPECT_THROW(fault_points::begin_unit(3), Error);
}

TEST(Injection, AMarkKeepsARestartFromMeetingItAgain) {
  const Scratch scratch;
  {
    const Injector injector(parse_injections("throw@0:3,nan@0:3"), scratch.path() / "faults", true);
    EXPECT_THROW(fault_points::begin_unit(3), Error);
    EXPECT_TRUE(strikes(Kind::kNan, 3));
  }
  const Injector injector(parse_injections("throw@0:3,nan@0:3,throw@0:5"), scratch.path() / "faults", true);
  fault_points::begin_unit(3);
  EXPECT_FALSE(strikes(Kind::kNan, 3));
  EXPECT_THROW(fault_points::begin_unit(5), Error) << "another fault is not the same";
}

TEST(Injection, UnitZeroIsTheBeginning) {
  EXPECT_THROW(Injector(parse_injections("throw@0:0"), {}, false), Error);
  fault_points::begin_unit(0);
}

TEST(Injection, OnlyTrainingTakesNanAndBitflip) {
  EXPECT_THROW(Injector(parse_injections("nan@0:1"), {}, false), UsageError);
  EXPECT_THROW(Injector(parse_injections("bitflip@0:1"), {}, false), UsageError);
  EXPECT_FALSE(strikes(Kind::kNan, 1));
}

TEST(Injection, TheNextNewFileCannotBeWritten) {
  const Scratch scratch;
  const Injector injector(parse_injections("enospc@0:2,eio@0:3"), {}, false);
  FileDescriptor before = FileDescriptor::create(scratch.path() / "before");
  for (const auto& [unit, error] : std::vector<std::pair<int, int>>{{2, ENOSPC}, {3, EIO}}) {
    fault_points::begin_unit(unit);
    before.write(std::as_bytes(std::span("x", 1)));
    FileDescriptor cursed = FileDescriptor::create(scratch.path() / "cursed");
    try {
      cursed.write(std::as_bytes(std::span("x", 1)));
      ADD_FAILURE() << "the write went well";
    } catch (const IoError& fault) {
      EXPECT_EQ(fault.error_number(), error);
    }
    FileDescriptor::create(scratch.path() / "after").write(std::as_bytes(std::span("x", 1)));
  }
}

}  // namespace
}  // namespace terramill::fault
