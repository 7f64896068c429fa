#include "invented_points.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

namespace terramill::report {
namespace {

/// A file below the test's own folder, gone with it.
class PointsFile : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(::testing::TempDir()) /
              ("terramill-" + std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
    std::filesystem::create_directories(folder_);
    file_ = folder_ / "points.jsonl";
    std::filesystem::remove(file_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void put(const std::string& text) { std::ofstream(file_, std::ios::app) << text; }
  std::string refusal() {
    try {
      read_scaling_points({file_});
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  std::filesystem::path folder_, file_;
};

std::string line_of(const ScalingPoint& point) { return dump_json(to_json(point)) + "\n"; }

TEST(ScalingPoint, ReadsBackWhatItWrote) {
  const Json written = to_json(invented_point());
  EXPECT_EQ(to_json(scaling_point_from_json(written, "test")), written);
  ScalingPoint plain = invented_point();
  plain.mfu.reset();
  plain.peak_flops.reset();
  EXPECT_TRUE(to_json(plain)["mfu"].is_null());
  EXPECT_FALSE(scaling_point_from_json(to_json(plain), "test").peak_flops.has_value());
  EXPECT_DOUBLE_EQ(plain.seconds_per_step(), 0.5);
}

TEST(ScalingPoint, RepetitionsShareTheirLayoutAndNothingElseDoes) {
  ScalingPoint again = invented_point(), other = invented_point();
  again.repetition = 7;
  again.step_seconds = {1};
  other.tp = 3;
  EXPECT_EQ(again.layout(), invented_point().layout());
  EXPECT_NE(other.layout(), invented_point().layout());
}

TEST_F(PointsFile, ToleratesATornLastLineAndSaysSo) {
  put(line_of(invented_point()) + "\n" + line_of(invented_point()).substr(0, 100));
  const ScalingPoints read = read_scaling_points({file_});
  EXPECT_EQ(read.points.size(), 1u);
  ASSERT_EQ(read.remarks.size(), 1u);
  EXPECT_NE(read.remarks[0].find("line 3"), std::string::npos);
}

TEST_F(PointsFile, AppendingReplacesATornLineAndKeepsWholeOnes) {
  put(line_of(invented_point()) + "{\"format\": \"terra");
  append_scaling_point(file_, invented_point());
  append_scaling_point(file_, invented_point());
  EXPECT_EQ(read_text(file_),
            line_of(invented_point()) + line_of(invented_point()) + line_of(invented_point()));
  const std::string whole = line_of(invented_point());
  std::filesystem::remove(file_);
  put(whole.substr(0, whole.size() - 1));
  append_scaling_point(file_, invented_point());
  EXPECT_EQ(read_text(file_), whole + whole);
}

TEST_F(PointsFile, AnErrorNamesFileLineAndKey) {
  const std::vector<std::pair<std::string, Json>> faults{{"ranks", 5},
                                                         {"scaling", "sideways"},
                                                         {"micro_batches", 0},
                                                         {"global_batch", 1},
                                                         {"parameters", 1.5},
                                                         {"step_seconds", {0.0}},
                                                         {"step_seconds", Json::array()},
                                                         {"flops_per_image", -1},
                                                         {"device", 3},
                                                         {"phases", Json::object()},
                                                         {"version", 2},
                                                         {"format", "another"},
                                                         {"mfu", "high"}};
  for (const auto& [key, value] : faults) {
    std::filesystem::remove(file_);
    Json json = to_json(invented_point());
    json[key] = value;
    put(line_of(invented_point()) + dump_json(json) + "\n");
    const std::string text = refusal();
    EXPECT_NE(text.find(file_.string() + ", line 2"), std::string::npos) << key << ": " << text;
    EXPECT_NE(text.find(key), std::string::npos) << text;
  }
  Json json = to_json(invented_point());
  json.erase("tp_calls");
  std::filesystem::remove(file_);
  put(dump_json(json) + "\n");
  EXPECT_NE(refusal().find("tp_calls"), std::string::npos);
}

TEST_F(PointsFile, ATornLineInTheMiddleAndAnEmptyFileAreRefused) {
  put("{\"format\": \"terra\n" + line_of(invented_point()));
  EXPECT_NE(refusal().find("line 1"), std::string::npos);
  std::filesystem::remove(file_);
  put("\n");
  EXPECT_NE(refusal().find("terramill bench"), std::string::npos);
}

}  // namespace
}  // namespace terramill::report
