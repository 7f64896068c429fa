#include <terramill/fault/incidents.hpp>

#include <gtest/gtest.h>

namespace terramill::fault {
namespace {

using Next = Incidents::Next;
using Steps = std::set<std::int64_t>;

TEST(Incidents, OnlyAStepThatFailsAgainIsSkipped) {
  Incidents incidents({}, 10);
  EXPECT_EQ(incidents.unstable(5, "NaN"), Next::kReplay);
  EXPECT_FALSE(incidents.skips(5));
  EXPECT_EQ(incidents.unstable(7, "NaN"), Next::kReplay) << "another step is another suspect";
  EXPECT_EQ(incidents.unstable(5, "NaN"), Next::kSkip);
  EXPECT_TRUE(incidents.skips(5));
  EXPECT_FALSE(incidents.skips(7));
}

TEST(Incidents, AStepThatCountedInTheReplayIsNoSuspect) {
  Incidents incidents({}, 3);
  EXPECT_EQ(incidents.unstable(12, "NaN"), Incidents::Next::kReplay);
  incidents.accept(11);
  incidents.accept(12);
  EXPECT_EQ(incidents.unstable(15, "NaN"), Incidents::Next::kReplay);
  EXPECT_EQ(incidents.unstable(12, "NaN"), Incidents::Next::kReplay) << "another fault in passing";
  EXPECT_EQ(incidents.unstable(12, "NaN"), Incidents::Next::kSkip);
}

TEST(Incidents, SkipsOfACheckpointCountAgainstTheLimitAndWantedOnesDoNot) {
  Incidents incidents({3, 4}, 2);
  incidents.restore({3, 5});
  EXPECT_TRUE(incidents.skips(3));
  EXPECT_TRUE(incidents.skips(4));
  EXPECT_TRUE(incidents.skips(5));
  incidents.unstable(7, "");
  EXPECT_EQ(incidents.unstable(7, ""), Next::kSkip);
  incidents.unstable(8, "");
  EXPECT_THROW(incidents.unstable(8, ""), UnstableError);
}

TEST(Incidents, TooManySkipsEndTheRun) {
  Incidents incidents({}, 1);
  incidents.unstable(5, "");
  EXPECT_EQ(incidents.unstable(5, ""), Next::kSkip);
  incidents.unstable(6, "");
  try {
    incidents.unstable(6, "the loss is not finite");
    ADD_FAILURE() << "goes on";
  } catch (const UnstableError& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kUnstable);
    EXPECT_NE(std::string(error.what()).find("the loss is not finite"), std::string::npos);
  }
}

TEST(Incidents, CorruptionInTheReplayEndsTheRunAndLaterDoesNot) {
  Incidents incidents({}, 1);
  incidents.corrupt(10, "n1");
  incidents.corrupt(11, "n1");
  EXPECT_THROW(incidents.corrupt(11, "n1"), CorruptionError);
  Incidents other({}, 1);
  other.corrupt(10, "n1");
  try {
    other.corrupt(4, "rank 3 on n7");
    ADD_FAILURE() << "goes on";
  } catch (const CorruptionError& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kCorrupt);
    EXPECT_NE(std::string(error.what()).find("rank 3 on n7"), std::string::npos);
  }
}

TEST(ParseSteps, TakesListsAndRefusesTheRest) {
  EXPECT_EQ(parse_steps("40,12"), Steps({12, 40}));
  EXPECT_TRUE(parse_steps("").empty());
  for (const char* text : {"x", "0", "-1", "1,2x", "1.5"})
    EXPECT_THROW(parse_steps(text), UsageError) << text;
}

}  // namespace
}  // namespace terramill::fault
