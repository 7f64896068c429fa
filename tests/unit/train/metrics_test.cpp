#include "support/scratch.hpp"

#include <terramill/core/fault_points.hpp>
#include <terramill/core/file.hpp>
#include <terramill/train/metrics.hpp>
#include <terramill/train/tensorboard.hpp>

#include <fstream>

#include <gtest/gtest.h>

namespace terramill::train {
namespace {

class Metrics : public testing::ScratchTest {
 protected:
  std::string lines() const { return read_text(folder_ / "metrics.jsonl"); }
};

/// A disk that is full while `full` says so.
class FullDisk {
 public:
  FullDisk() {
    full = false;
    fault_points::set_hooks(
        [](fault_points::FileEvent, const std::filesystem::path&) { return full ? ENOSPC : 0; }, nullptr);
  }
  FullDisk(const FullDisk&) = delete;
  ~FullDisk() { fault_points::set_hooks(nullptr, nullptr); }

  static inline bool full = false;
};

// The check value of the CRC catalogue for CRC-32C (iSCSI).
TEST(Crc32c, AgreesWithThePublishedCheckValue) { EXPECT_EQ(crc32c("123456789"), 0xe3069283u); }

TEST_F(Metrics, AResumedRunReadsAsIfUndisturbed) {
  const Scalars values{{"loss", 1.5}};
  {
    MetricsWriter writer(folder_, 1);
    for (int step = 1; step <= 4; ++step) writer.write("train", step, values);
  }
  const std::string undisturbed = lines();
  // Killed after step 4 in the middle of a line; the newest checkpoint is of step 2.
  std::ofstream(folder_ / "metrics.jsonl", std::ios::app) << R"({"kind": "train", "st)";
  MetricsWriter writer(folder_, 3);
  writer.write("train", 3, values);
  writer.write("train", 4, values);
  EXPECT_EQ(lines(), undisturbed);
}

TEST_F(Metrics, DamagedLinesAreDroppedAndTheOthersStay) {
  const Scalars values{{"loss", 1.5}};
  {
    MetricsWriter writer(folder_, 1);
    for (int step = 1; step <= 3; ++step) writer.write("train", step, values);
  }
  std::string text = lines();
  const std::size_t second = text.find('\n') + 1;
  text.replace(second, 4, std::string(4, '\0'));  // as after a loss of power
  write_file_durably(folder_ / "metrics.jsonl", text);
  MetricsWriter writer(folder_, 4);
  writer.write("train", 4, values);
  const std::string after = lines();
  EXPECT_EQ(std::count(after.begin(), after.end(), '\n'), 3);
  EXPECT_NE(after.find("\"step\": 1"), std::string::npos) << after;
  EXPECT_NE(after.find("\"step\": 3"), std::string::npos) << after;
}

TEST_F(Metrics, AnEvaluationThatIsMadeAgainHasOneLine) {
  const Scalars values{{"loss", 1.5}};
  const auto evaluated = [&](MetricsWriter& writer) {
    writer.write("validation", 2, values);
    writer.write("knn", 2, {{"accuracy", 0.5}});
  };
  {
    MetricsWriter writer(folder_, 1);
    writer.write("train", 1, values);
    writer.write("train", 2, values);
    evaluated(writer);
  }
  const std::string undisturbed = lines();
  {
    MetricsWriter writer(folder_, 3);
    EXPECT_EQ(lines(), undisturbed) << "of a step that is not made again";
  }
  MetricsWriter writer(folder_, 3, /*evaluates_again=*/true);
  evaluated(writer);
  EXPECT_EQ(lines(), undisturbed);
}

TEST_F(Metrics, GoBackOnAFullDiskAsSoonAsItHasSpace) {
  const Scalars values{{"loss", 1.5}};
  MetricsWriter writer(folder_, 1);
  FullDisk disk;
  for (int step = 1; step <= 3; ++step) writer.write("train", step, values);
  const std::string undisturbed = lines();
  writer.write("train", 4, values);
  disk.full = true;
  writer.write("train", 5, values);
  writer.go_back_to(2);
  writer.write("train", 2, values);
  disk.full = false;
  writer.write("train", 3, values);
  EXPECT_EQ(lines(), undisturbed);
}

TEST_F(Metrics, EventsThatCannotBeWrittenCostNoLine) {
  const Scalars values{{"loss", 1.5}};
  const auto events = folder_ / "events";
  MetricsWriter writer(folder_, 1);
  for (int step = 1; step <= 3; ++step) writer.write("train", step, values);
  const std::string undisturbed = lines();
  std::filesystem::remove_all(events);
  write_file_durably(events, "no folder");
  writer.go_back_to(2);
  writer.write("train", 2, values);
  writer.write("train", 3, values);
  EXPECT_EQ(lines(), undisturbed);
  std::filesystem::remove(events);
  writer.write("train", 4, values);
  EXPECT_FALSE(std::filesystem::is_empty(events)) << "they go on when they can";
}

TEST_F(Metrics, LinesWaitWhileTheDiskIsFull) {
  const Scalars values{{"loss", 1.5}};
  MetricsWriter writer(folder_, 1);
  FullDisk disk;
  writer.write("train", 1, values);
  const std::string before = lines();
  disk.full = true;
  writer.write("train", 2, values);
  writer.note("straggler", 2, {{"rank", 1}});
  EXPECT_EQ(lines(), before);
  disk.full = false;
  writer.write("train", 3, values);
  const std::string after = lines();
  EXPECT_EQ(std::count(after.begin(), after.end(), '\n'), 4);
  EXPECT_TRUE(after.starts_with(before));
}

}  // namespace
}  // namespace terramill::train
