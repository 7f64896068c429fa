#include "train/run_state.hpp"

#include <terramill/core/error.hpp>

#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace terramill::train {
namespace {

using HyperParameters = std::vector<std::pair<std::string, std::string>>;

RunState state_with(HyperParameters values, std::uint64_t corpus = 7) {
  RunState state;
  state.corpus_content = corpus;
  state.hyper_parameters = std::move(values);
  return state;
}

/// What a resume of `saved` under the options of `now` is refused with; empty when it is not.
std::string refusal(const RunState& saved, const RunState& now) {
  try {
    require_same_run(saved, now, "step-00000004");
  } catch (const UsageError& fault) {
    return fault.what();
  }
  return "";
}

TEST(RequireSameRun, TakesTheSameOptionsInAnyOrderAndNamesEveryOther) {
  const RunState saved =
      state_with({{"train.seed", "1"}, {"train.reduction_dtype", "float32"}, {"train.lr", "0.1"}});
  EXPECT_EQ(
      refusal(saved,
              state_with({{"train.lr", "0.1"}, {"train.seed", "1"}, {"train.reduction_dtype", "float32"}})),
      "");
  const std::string text =
      refusal(saved, state_with({{"train.seed", "2"}, {"train.reduction_dtype", "float32"}}));
  EXPECT_NE(text.find("train.seed (was \"1\", is \"2\")"), std::string::npos) << text;
  EXPECT_NE(text.find("train.lr (was \"0.1\", is \"unset\")"), std::string::npos) << text;
  EXPECT_EQ(text.find("train.reduction_dtype"), std::string::npos) << text;
}

TEST(RequireSameRun, RefusesAnotherCorpus) {
  const HyperParameters values{{"train.reduction_dtype", "float32"}};
  EXPECT_NE(refusal(state_with(values, 7), state_with(values, 8)).find("another corpus"), std::string::npos);
}

TEST(RequireSameRun, RefusesEpochsOfAnotherLength) {
  const HyperParameters values{{"train.reduction_dtype", "float32"}};
  RunState saved = state_with(values), now = state_with(values);
  saved.steps_per_epoch = 30;
  now.steps_per_epoch = 31;
  EXPECT_NE(refusal(saved, now).find("epochs have 30 steps, not 31"), std::string::npos);
  // What another corpus is the reason of is said to be one.
  now.corpus_content = 8;
  EXPECT_NE(refusal(saved, now).find("another corpus"), std::string::npos);
}

// Checkpoints older than the option were all made with what is its default now.
TEST(RequireSameRun, TakesACheckpointOlderThanReductionDtypeForOneInFloat32) {
  const RunState saved = state_with({{"train.seed", "1"}});
  EXPECT_EQ(refusal(saved, state_with({{"train.seed", "1"}, {"train.reduction_dtype", "float32"}})), "");
  const std::string text =
      refusal(saved, state_with({{"train.seed", "1"}, {"train.reduction_dtype", "bfloat16"}}));
  EXPECT_NE(text.find("train.reduction_dtype (was \"float32\", is \"bfloat16\")"), std::string::npos) << text;
  EXPECT_EQ(text.find("train.seed"), std::string::npos) << text;
}

TEST(RequireSameRun, TakesAnyPlanForOneOfWhichOnlyThePathIsKnown) {
  const auto with = [](const std::string& name, const std::string& value) {
    return state_with({{"train.reduction_dtype", "float32"}, {name, value}});
  };
  const RunState saved = with("plan", "plan.h5"), unplanned = with("plan", "");
  const RunState a = with(kPlanContent, "0a"), b = with(kPlanContent, "0b");
  const RunState none = state_with({{"train.reduction_dtype", "float32"}});
  EXPECT_EQ(refusal(saved, a), "");
  EXPECT_NE(refusal(saved, none).find("plan's content (was \"plan.h5\", is \"unset\")"), std::string::npos);
  EXPECT_EQ(refusal(unplanned, none), "");
  EXPECT_NE(refusal(unplanned, a).find("plan's content (was \"unset\", is \"0a\")"), std::string::npos);
  EXPECT_NE(refusal(a, b).find("plan's content (was \"0a\", is \"0b\")"), std::string::npos);
}

}  // namespace
}  // namespace terramill::train
