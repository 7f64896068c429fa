#include "invented_points.hpp"

#include <terramill/core/error.hpp>
#include <terramill/report/scaling_fit.hpp>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace terramill::report {
namespace {

void expect_near_share(double found, double known, double share) { EXPECT_NEAR(found / known, 1, share); }

TEST(ScalingFit, FindsTheCoefficientsThatMadeThePoints) {
  const StepCosts known = invented_costs();
  const ScalingFit fit = fit_scaling(invented_sweep(known));
  ASSERT_EQ(fit.workloads.size(), 1u);
  const WorkloadCosts& found = fit.workloads.begin()->second;
  expect_near_share(found.image_split, known.image_split, 1e-6);
  expect_near_share(found.image_whole, known.image_whole, 1e-6);
  expect_near_share(found.micro_batch, known.micro_batch, 1e-6);
  expect_near_share(found.image_wait, known.image_wait, 1e-6);
  expect_near_share(found.overhead, known.overhead, 1e-6);
  const LinkCosts& links = fit.links.at("exact");
  expect_near_share(links.local->latency, known.local.latency, 1e-6);
  expect_near_share(links.local->seconds_per_byte, known.local.seconds_per_byte, 1e-6);
  expect_near_share(links.remote->latency, known.remote.latency, 1e-6);
  expect_near_share(links.remote->seconds_per_byte, known.remote.seconds_per_byte, 1e-6);
  EXPECT_NEAR(fit.overlap, known.overlap, 0.011);
  EXPECT_LT(fit.mean_error(), 1e-2);
  EXPECT_LT(fit.mean_left_out_error().value(), 1e-2);
}

TEST(ScalingFit, NoiseOfTheTimesBecomesErrorsOfItsSize) {
  const StepCosts known = invented_costs();
  const ScalingFit fit = fit_scaling(invented_sweep(known, 3, 0.1));
  const WorkloadCosts& found = fit.workloads.begin()->second;
  expect_near_share(found.image_split + found.image_whole, known.image_split + known.image_whole, 0.1);
  expect_near_share(fit.links.at("exact").remote->seconds_per_byte, known.remote.seconds_per_byte, 0.2);
  EXPECT_LT(fit.mean_error(), 0.06);
  EXPECT_LT(fit.mean_left_out_error().value(), 0.1);
  EXPECT_GE(*fit.mean_left_out_error(), fit.mean_error() * 0.9);
  EXPECT_EQ(fit.layouts.front().measured.repetitions, 3);
}

TEST(ScalingFit, CoefficientsAreNeverNegative) {
  const ScalingFit fit = fit_scaling(invented_sweep(invented_costs(), 2, 0.9));
  for (const auto& [name, w] : fit.workloads) {
    for (const double value :
         {w.image_split, w.image_whole, w.micro_batch, w.image_wait, w.overhead, w.checkpoint})
      EXPECT_GE(value, 0) << name;
  }
  for (const auto& [name, links] : fit.links) {
    for (const Link& link : {*links.local, *links.remote}) {
      EXPECT_GE(link.latency, 0) << name;
      EXPECT_GE(link.seconds_per_byte, 0) << name;
    }
  }
}

TEST(ScalingFit, RefusesTooFewLayoutsWithAdvice) {
  std::vector<ScalingPoint> points = invented_sweep(invented_costs(), 5);
  points.resize(10);  // two layouts of five repetitions
  try {
    fit_scaling(points);
    FAIL() << "two layouts were enough";
  } catch (const UsageError& error) {
    EXPECT_NE(error.context().advice.find("terramill bench"), std::string::npos);
  }
}

TEST(ScalingFit, ALayoutThatAloneTellsALinkCannotBePredictedWithoutIt) {
  std::vector<ScalingPoint> points;
  for (const ScalingPoint& point : invented_sweep(invented_costs())) {
    if (point.nodes == 1 || (point.nodes == 4 && point.tp == 1 && point.micro_batch_size == 4))
      points.push_back(point);
  }
  const ScalingFit fit = fit_scaling(points);
  for (const FittedLayout& layout : fit.layouts)
    EXPECT_EQ(layout.left_out.has_value(), layout.measured.point.nodes == 1) << layout.measured.short_name();
}

TEST(ScalingFit, RanksThatShareCoresComputeAsMuchSlower) {
  std::vector<ScalingPoint> points;
  for (const int ranks : {1, 2, 4, 8}) {
    ScalingPoint point = invented_sweep(invented_costs()).front();
    point.dp = point.ranks = ranks;
    point.micro_batches = ranks;
    point.global_batch = point.micro_batches * point.micro_batch_size;
    point.phases = {0.5 * std::max(1.0, ranks / 2.0), 0, 0, 0, 0};
    point.step_seconds = {point.phases.compute};
    points.push_back(point);
  }
  EXPECT_LT(fit_scaling(points, {.cores = 2}).mean_error(), 1e-9);
  EXPECT_GT(fit_scaling(points).mean_error(), 0.2);
}

TEST(MeasuredLayouts, EfficiencyComparesRatesPerRankWithTheSmallestLayout) {
  std::vector<ScalingPoint> points;
  for (const auto& [ranks, rate] : {std::pair{2, 18.0}, {2, 22.0}, {1, 10.0}, {4, 30.0}}) {
    ScalingPoint point = invented_sweep(invented_costs()).front();
    point.dp = point.ranks = ranks;
    point.scaling = "strong";
    point.micro_batches = 8;
    point.global_batch = 8 * point.micro_batch_size;
    point.images_per_second = rate;
    points.push_back(point);
  }
  const std::vector<MeasuredLayout> layouts = measured_layouts(points);
  ASSERT_EQ(layouts.size(), 3u);
  EXPECT_DOUBLE_EQ(layouts[0].efficiency, 1);
  EXPECT_DOUBLE_EQ(layouts[0].efficiency_least, 0.9);
  EXPECT_DOUBLE_EQ(layouts[0].efficiency_most, 1.1);
  EXPECT_DOUBLE_EQ(layouts[1].efficiency, 1);
  EXPECT_DOUBLE_EQ(layouts[2].efficiency, 0.75);
  EXPECT_EQ(layouts[2].baseline, 1u);
}

}  // namespace
}  // namespace terramill::report
