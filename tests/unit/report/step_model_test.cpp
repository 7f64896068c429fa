#include "invented_points.hpp"

#include <terramill/report/step_model.hpp>

#include <gtest/gtest.h>

namespace terramill::report {
namespace {

TEST(Traffic, OneRankSendsNothing) {
  const Traffic reduction = reduction_traffic({1, 1, 1}, 1e9), tensor = tensor_traffic({1, 1, 1}, 100, 1e9);
  for (const Traffic& traffic : {reduction, tensor}) {
    EXPECT_EQ(traffic.local_messages + traffic.local_bytes, 0);
    EXPECT_EQ(traffic.remote_messages + traffic.remote_bytes, 0);
  }
}

// Thakur, Rabenseifner, Gropp 2005: 2 (p - 1) messages of n / p bytes.
TEST(Traffic, ReductionIsARing) {
  const Traffic inside = reduction_traffic({1, 4, 1}, 1000), between = reduction_traffic({4, 4, 1}, 1000);
  EXPECT_DOUBLE_EQ(inside.local_messages, 6);
  EXPECT_DOUBLE_EQ(inside.local_bytes, 1500);
  EXPECT_DOUBLE_EQ(inside.remote_messages, 0);
  EXPECT_DOUBLE_EQ(between.remote_messages, 6);
  EXPECT_DOUBLE_EQ(between.remote_bytes, 1500);
  EXPECT_DOUBLE_EQ(between.local_bytes, 0);
}

TEST(Traffic, ReplicasOfANodeShareItsConnectionAndTensorGroupsAddUp) {
  const Traffic wide = reduction_traffic({2, 16, 1}, 1000);
  EXPECT_DOUBLE_EQ(wide.local_messages, 14);
  EXPECT_DOUBLE_EQ(wide.remote_messages, 2);
  EXPECT_DOUBLE_EQ(wide.remote_bytes, 1000);
  // tp 8: one replica a node, eight groups of a parameter's eighth each.
  const Traffic split = reduction_traffic({2, 2, 8}, 1000.0 / 8);
  EXPECT_DOUBLE_EQ(split.local_bytes, 0);
  EXPECT_DOUBLE_EQ(split.remote_bytes, 1000);
}

TEST(Traffic, TensorGroupsStayInANodeWhereTheyFit) {
  EXPECT_DOUBLE_EQ(tensor_traffic({2, 4, 4}, 10, 100).local_messages, 30);
  EXPECT_DOUBLE_EQ(tensor_traffic({4, 1, 4}, 10, 100).remote_bytes, 75);
}

TEST(StepModel, ReductionHidesBehindTheLastBackwardPassAndNoMore) {
  StepCosts costs = invented_costs();
  StepWork work;
  work.images = 8;
  work.micro_batches = 2;
  work.reduction.remote_bytes = 1e12;
  const StepSeconds slow = predict(costs, work);
  EXPECT_DOUBLE_EQ(slow.hidden, costs.overlap * hiding_share(false) * slow.compute / 2);
  work.reduction.remote_bytes = 1;
  const StepSeconds quick = predict(costs, work);
  EXPECT_DOUBLE_EQ(quick.hidden, quick.reduction);
  EXPECT_DOUBLE_EQ(quick.exposed(), 0);
  EXPECT_LT(quick.total(), slow.total());
}

}  // namespace
}  // namespace terramill::report
