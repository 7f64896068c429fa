#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/report/run_record.hpp>

#include <filesystem>
#include <string>

#include <gtest/gtest.h>

namespace terramill::report {
namespace {

class RunRecordTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(testing::TempDir()) /
              (std::string("run_record_") + testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
    put("run.json", R"({"model": "mpmae", "parameters": 12, "steps": 4, "global_batch": 8})");
    put("metrics.jsonl",
        "{\"kind\": \"train\", \"step\": 1, \"loss\": 4.0, \"step_seconds\": 1.0, \"data_wait_share\": 0.5}\n"
        "{\"kind\": \"validation\", \"step\": 1, \"loss\": 3.0}\n"
        "{\"kind\": \"train\", \"step\": 2, \"loss\": 2.0, \"step_seconds\": 3.0, \"data_wait_share\": 0.1}\n"
        "{\"kind\": \"validation\", \"step\": 2, \"loss\": 3.5}\n"
        "{\"kind\": \"train\", \"step\": 3, \"lo");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void put(const std::string& name, const std::string& text) const {
    write_file_durably(folder_ / name, text);
  }

  std::filesystem::path folder_;
};

TEST_F(RunRecordTest, LeavesOutALineStillBeingWritten) {
  const RunRecord run = read_run(folder_);
  ASSERT_NE(run.curve("train", "loss"), nullptr);
  EXPECT_EQ(run.curve("train", "loss")->y, (std::vector<double>{4, 2}));
  EXPECT_EQ(run.curve("train", "lr"), nullptr);
}

TEST_F(RunRecordTest, KeyNumbersWeighSharesByTimeAndAreNullWhereNothingIsKnown) {
  const Json numbers = key_numbers(read_run(folder_));
  EXPECT_EQ(numbers["step"], 2);
  EXPECT_EQ(numbers["images"], 16);
  EXPECT_EQ(numbers["finished"], false);
  EXPECT_DOUBLE_EQ(numbers["validation_loss"].get<double>(), 3.5);
  EXPECT_DOUBLE_EQ(numbers["validation_loss_best"].get<double>(), 3.0);
  EXPECT_EQ(numbers["validation_loss_best_step"], 1);
  EXPECT_DOUBLE_EQ(numbers["data_wait_share"].get<double>(), (0.5 * 1 + 0.1 * 3) / 4);
  EXPECT_TRUE(numbers["knn_accuracy"].is_null());
  EXPECT_TRUE(numbers["communication_share"].is_null());
}

TEST_F(RunRecordTest, ReadsEveryOptionWithItsOrigin) {
  put("config.ini",
      "corpus = a b  # command line\nplan =   # default\n\n[train]\nlr = 0.1  # f.ini:3\n"
      "note = \"x # y \\\" z\"  # f.ini:4\n");
  const auto lines = read_run(folder_).configuration;
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0].value, "a b");
  EXPECT_EQ(lines[0].origin, "command line");
  EXPECT_EQ(lines[1].value, "");
  EXPECT_TRUE(lines[1].is_default());
  EXPECT_EQ(lines[2].section, "train");
  EXPECT_EQ(lines[2].origin, "f.ini:3");
  EXPECT_FALSE(lines[2].is_default());
  EXPECT_EQ(lines[3].value, "x # y \" z");
  EXPECT_EQ(lines[3].origin, "f.ini:4");
}

TEST_F(RunRecordTest, RefusesAFolderThatIsNoRun) {
  std::filesystem::remove(folder_ / "run.json");
  EXPECT_THROW(read_run(folder_), UsageError);
}

}  // namespace
}  // namespace terramill::report
