#include "support/scratch.hpp"

#include <terramill/core/host_memory.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

namespace terramill {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMebi = 1 << 20;

/// A root directory with 1000 MiB, of which 600 are available, in control group /job/step.
class HostMemoryTest : public testing::ScratchTest {
 protected:
  HostMemoryTest() {
    for (const char* name : {"SLURM_MEM_PER_NODE", "SLURM_MEM_PER_CPU", "SLURM_CPUS_ON_NODE"})
      ::unsetenv(name);
    write("proc/meminfo", "MemTotal: 1024000 kB\nMemFree: 1000 kB\nMemAvailable: 614400 kB\n");
    write("proc/self/cgroup", "4:cpu,memory:/job/step\n0::/job/step\n");
  }

  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
  }
  void expect(std::int64_t limit, std::int64_t available, const std::string& by) const {
    const HostMemory memory = host_memory(folder_);
    EXPECT_EQ(memory.limit, limit * kMebi);
    EXPECT_EQ(memory.available, available * kMebi);
    EXPECT_EQ(memory.limited_by, by);
  }
};

TEST_F(HostMemoryTest, IsTheNodesWhereNothingLimitsIt) {
  expect(1000, 600, "MemTotal");
  write("sys/fs/cgroup/job/step/memory.max", "max\n");
  expect(1000, 600, "MemTotal");
}

TEST_F(HostMemoryTest, IsWhatTheNearestOrAnUpperControlGroupLeaves) {
  write("sys/fs/cgroup/job/memory.max", std::to_string(500 * kMebi) + "\n");
  write("sys/fs/cgroup/job/memory.stat", "anon " + std::to_string(100 * kMebi) + "\nfile 999999999\n");
  expect(500, 400, "the control group");
  write("sys/fs/cgroup/memory/job/step/memory.limit_in_bytes", std::to_string(300 * kMebi) + "\n");
  write("sys/fs/cgroup/memory/job/step/memory.stat", "rss 1\ntotal_rss " + std::to_string(60 * kMebi) + "\n");
  expect(300, 240, "the control group");
}

TEST_F(HostMemoryTest, IsWhatSlurmGrants) {
  ::setenv("SLURM_MEM_PER_CPU", "50", 1);
  ::setenv("SLURM_CPUS_ON_NODE", "4", 1);
  expect(200, 200, "SLURM_MEM_PER_CPU");
  ::setenv("SLURM_MEM_PER_NODE", "0", 1);  // the whole node
  ::unsetenv("SLURM_MEM_PER_CPU");
  expect(1000, 600, "MemTotal");
  ::setenv("SLURM_MEM_PER_NODE", "150", 1);
  expect(150, 150, "SLURM_MEM_PER_NODE");
}

TEST(HostMemory, OfThisProcessIsPositive) {
  EXPECT_GT(host_memory().available, 0);
  EXPECT_GT(resident_bytes(), kMebi);
}

TEST(HostMemory, IsWrittenInThreeDigits) {
  EXPECT_EQ(memory_text(1536), "1.50 KiB");
  EXPECT_EQ(memory_text(12 * kMebi), "12.0 MiB");
  EXPECT_EQ(memory_text(999 * kMebi), "999 MiB");
  EXPECT_EQ(memory_text(1023 * kMebi), "1.00 GiB");
}

}  // namespace
}  // namespace terramill
