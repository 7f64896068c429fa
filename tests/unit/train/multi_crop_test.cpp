#include <terramill/train/frequent_classes.hpp>
#include <terramill/train/multi_crop.hpp>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::train {
namespace {

using model::Sensor;

DinoOptions crops(int local) {
  DinoOptions options;
  options.local_crops = local;
  return options;
}

TEST(DrawCrops, StayInsideTheTileWithAreasAndShapesAsAsked) {
  DinoOptions options = crops(4);
  options.vertical_flip = options.rotate = true;
  const double slack = 0.03;  // whole pixels
  bool flipped = false, turned = false;
  for (std::uint64_t tile = 0; tile < 300; ++tile) {
    const std::vector<Crop> drawn = draw_crops(options, 100, 1, 0, tile, tile);
    ASSERT_EQ(drawn.size(), 6U);
    for (std::size_t v = 0; v < drawn.size(); ++v) {
      const Crop& crop = drawn[v];
      EXPECT_GE(crop.x, 0);
      EXPECT_GE(crop.y, 0);
      EXPECT_LE(crop.x + crop.width, 100);
      EXPECT_LE(crop.y + crop.height, 100);
      const double area = crop.width * crop.height / 1e4;
      EXPECT_GE(area, (v < 2 ? options.global_scale_min : options.local_scale_min) - slack);
      EXPECT_LE(area, (v < 2 ? 1.0 : options.local_scale_max) + slack);
      EXPECT_LE(std::max(crop.width, crop.height), 1.34 * std::min(crop.width, crop.height) + 2);
      flipped |= crop.flip_vertical;
      turned |= crop.quarter_turns != 0;
    }
  }
  EXPECT_TRUE(flipped && turned);
}

TEST(DrawCrops, DependOnSeedEpochPositionAndTileAlone) {
  const auto same = [](const std::vector<Crop>& a, const std::vector<Crop>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), [](const Crop& p, const Crop& q) {
      return p.x == q.x && p.y == q.y && p.width == q.width && p.height == q.height &&
             p.flip_horizontal == q.flip_horizontal;
    });
  };
  const auto base = draw_crops(crops(3), 100, 1, 2, 3, 4);
  EXPECT_TRUE(same(base, draw_crops(crops(3), 100, 1, 2, 3, 4)));
  EXPECT_FALSE(same(base, draw_crops(crops(3), 100, 2, 2, 3, 4)));
  EXPECT_FALSE(same(base, draw_crops(crops(3), 100, 1, 3, 3, 4)));
  EXPECT_FALSE(same(base, draw_crops(crops(3), 100, 1, 2, 4, 4)));
  EXPECT_FALSE(same(base, draw_crops(crops(3), 100, 1, 2, 3, 5)));
}

TEST(SensorPlan, NeverEmptyNeverMoreThanThereIs) {
  const SensorPlan::Choice available{true, false, true};
  int alone = 0, both = 0;
  for (std::int64_t step = 0; step < 400; ++step) {
    const SensorPlan plan = draw_sensor_plan(available, 5, 0.5, 7, step, 0);
    ASSERT_EQ(plan.student.size(), 5U);
    ASSERT_EQ(plan.teacher.size(), 2U);
    for (const auto& choice : plan.student) {
      EXPECT_FALSE(choice[1]);
      EXPECT_TRUE(choice[0] || choice[2]);
      (choice[0] && choice[2] ? both : alone) += 1;
    }
  }
  // Of the four outcomes of two coins one is both; none of them becomes one alone.
  EXPECT_NEAR(both / 2000.0, 0.25, 0.04);
  EXPECT_NEAR(alone / 2000.0, 0.75, 0.04);
}

TEST(MakeViews, ShowPlannedSensorsAndEveryOneASampleHasWhereThatIsNone) {
  model::SensorImages tiles;
  tiles[Sensor::kS1] = at::rand({2, 2, 24, 24}, at::kDouble);
  tiles[Sensor::kS2L1c] = at::rand({2, 12, 24, 24}, at::kDouble);
  tiles.present = at::tensor({1, 0, 1, 1, 0, 0}).to(at::kBool).view({2, 3});
  SensorPlan plan;
  plan.student = {{true, false, false}, {false, false, true}, {true, false, true}};
  plan.teacher = {{false, false, true}, {false, false, true}};
  const std::vector<std::vector<Crop>> same(2, std::vector<Crop>(3, Crop{0, 0, 24, 24}));
  const DinoViews views = make_views(tiles, same, plan, 24, 8);

  const auto present = views.student_global.present.to(at::kLong);
  EXPECT_TRUE(
      at::equal(present, at::tensor({1, 0, 0, /**/ 1, 0, 0, /**/ 0, 0, 1, /**/ 1, 0, 0}).view({4, 3})));
  // A view of the tile's own size is the tile; the sample without L1C shows its S1.
  EXPECT_TRUE(at::equal(views.student_global[Sensor::kS1][0], tiles[Sensor::kS1][0]));
  EXPECT_TRUE(at::equal(views.student_global[Sensor::kS1][3], tiles[Sensor::kS1][1]));
  EXPECT_TRUE(at::equal(views.student_global[Sensor::kS2L1c][2], tiles[Sensor::kS2L1c][0]));
  EXPECT_FALSE(views.student_global[Sensor::kS2L2a].defined());
  EXPECT_EQ(views.student_local[Sensor::kS1].sizes(), (std::vector<std::int64_t>{2, 2, 8, 8}));
  EXPECT_TRUE(at::equal(views.teacher.present.to(at::kLong),
                        at::tensor({0, 0, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0}).view({4, 3})));
}

TEST(DropPath, KeepsWithOneMinusTheRateAndNothingWithoutRates) {
  EXPECT_FALSE(draw_drop_path({0, 0, 0}, 8, 1, 0, 0, 0, at::kDouble).defined());
  const at::Tensor keep = draw_drop_path({0, 0.1, 0.4}, 20000, 1, 2, 3, 0, at::kDouble);
  ASSERT_EQ(keep.sizes(), (std::vector<std::int64_t>{4, 20000}));
  const at::Tensor shares = keep.mean(1);
  for (const auto& [row, share] : {std::pair{0, 0.9}, {1, 0.9}, {2, 0.6}, {3, 0.6}}) {
    EXPECT_NEAR(shares[row].item<double>(), share, 0.02);
  }
  EXPECT_TRUE(at::equal(keep, draw_drop_path({0, 0.1, 0.4}, 20000, 1, 2, 3, 0, at::kDouble)));
  EXPECT_FALSE(at::equal(keep, draw_drop_path({0, 0.1, 0.4}, 20000, 1, 2, 3, 1, at::kDouble)));
}

TEST(FrequentClasses, AreTheFewestThatHoldTheShare) {
  std::array<std::uint64_t, corpus::kLandCoverClasses> counts{};
  counts[1] = 50;
  counts[4] = 30;
  counts[2] = 15;
  counts[0] = 5;
  const auto at = [&](double share) { return frequent_classes(counts, share); };
  EXPECT_EQ(std::ranges::count(at(0.5), true), 1);
  EXPECT_TRUE(at(0.5)[1]);
  EXPECT_EQ(std::ranges::count(at(0.75), true), 2);
  EXPECT_TRUE(at(0.75)[4]);
  EXPECT_EQ(std::ranges::count(at(1), true), 4);
  EXPECT_EQ(std::ranges::count(at(0), true), 0);
  EXPECT_EQ(std::ranges::count(frequent_classes({}, 1), true), 0);
}

}  // namespace
}  // namespace terramill::train
