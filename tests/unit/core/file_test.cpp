#include "support/error_text.hpp"
#include "support/scratch.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/process_silence.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <fstream>

#include <sys/wait.h>
#include <unistd.h>

namespace terramill {
namespace {

using testing::contains;
using testing::Scratch;
using testing::text_of;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

TEST(File, WhatIsWrittenDurablyReadsBackAndLeavesNoTemporary) {
  const Scratch scratch;
  const auto path = scratch / "manifest.json";
  write_file_durably(path, "first");
  const std::string content("second\0half", 11);
  write_file_durably(path, content);
  EXPECT_EQ(read_text(path), content);
  EXPECT_EQ(read_bytes(path).size(), content.size());
  EXPECT_FALSE(std::filesystem::exists(temporary_name(path)));
  EXPECT_EQ(temporary_name(path).filename(), ".manifest.json.tmp");
}

TEST(File, ReadsFilesWhoseSizeTheSystemDoesNotTell) { EXPECT_FALSE(read_text("/proc/self/status").empty()); }

TEST(File, ReadingAWholeFileIsABeat) {
  const auto before = std::chrono::steady_clock::now();
  EXPECT_FALSE(read_text("/proc/self/status").empty());
  const auto after = std::chrono::steady_clock::now();
  EXPECT_LT(process_silence(after), std::chrono::duration<double>(after - before).count());
}

TEST(File, ReadsAndWritesAtOffsets) {
  const Scratch scratch;
  auto file = FileDescriptor::create(scratch / "data");
  file.write(bytes_of("0123456789"));
  file.write_at(3, bytes_of("abc"));
  EXPECT_EQ(file.size(), 10U);
  std::array<std::byte, 4> part{};
  file.read_at(2, part);
  EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(part.data()), 4), "2abc");
  file.close();
  EXPECT_FALSE(file);
}

TEST(File, AppendingKeepsWhatIsThere) {
  const Scratch scratch;
  FileDescriptor::append(scratch / "log").write(bytes_of("one\n"));
  FileDescriptor::append(scratch / "log").write(bytes_of("two\n"));
  EXPECT_EQ(read_text(scratch / "log"), "one\ntwo\n");
}

TEST(File, ReadingPastTheEndIsATruncatedFile) {
  const Scratch scratch;
  write_file_durably(scratch / "short", "12345");
  const auto file = FileDescriptor::open_read(scratch / "short");
  std::array<std::byte, 4> part{};
  const auto text = text_of<FormatError>([&] { file.read_at(3, part); });
  EXPECT_TRUE(contains(text, "truncated: it ends at byte 5"));
}

TEST(File, MissingFileIsNamedWithItsReason) {
  const Scratch scratch;
  const auto text = text_of<IoError>([&] { static_cast<void>(read_text(scratch / "absent")); });
  EXPECT_TRUE(contains(text, "cannot open " + (scratch / "absent").string() + ": No such file or directory"));
}

TEST(File, FullDiskSaysWhereToFreeSpace) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "this system has no /dev/full";
  auto file = FileDescriptor::append("/dev/full");
  try {
    file.write(bytes_of("x"));
    FAIL() << "a full disk took a byte";
  } catch (const IoError& fault) {
    EXPECT_EQ(fault.error_number(), ENOSPC);
    EXPECT_TRUE(contains(fault.what(), "cannot write /dev/full: No space left on device"));
    EXPECT_TRUE(contains(fault.what(), "free space on the file system of /dev"));
  }
}

TEST(File, UnwritableDirectoryIsRefusedByName) {
  const auto text = text_of<IoError>([] { write_file_durably("/proc/terramill", "x"); });
  EXPECT_TRUE(contains(text, "/proc/.terramill.tmp"));
}

TEST(File, PublishingLeavesTheOldFileWhenTheNewOneIsMissing) {
  const Scratch scratch;
  write_file_durably(scratch / "kept", "old");
  EXPECT_THROW(publish(temporary_name(scratch / "kept"), scratch / "kept"), IoError);
  EXPECT_EQ(read_text(scratch / "kept"), "old");
}

TEST(File, MovedDescriptorClosesOnce) {
  const Scratch scratch;
  auto first = FileDescriptor::create(scratch / "a");
  auto second = std::move(first);
  EXPECT_TRUE(second);
  second = FileDescriptor::create(scratch / "b");
  second.write(bytes_of("x"));
  EXPECT_EQ(second.path().filename(), "b");
}

TEST(DirectoryLock, SecondHolderIsRefusedUntilTheFirstLetsGo) {
  const Scratch scratch;
  {
    const DirectoryLock first(scratch.path(), "corpus build");
    const auto text =
        text_of<UsageError>([&] { const DirectoryLock second(scratch.path(), "corpus build"); });
    EXPECT_TRUE(contains(text, scratch.path().string() + " is in use by another corpus build"));
  }
  EXPECT_NO_THROW(DirectoryLock(scratch.path(), "corpus build"));
}

TEST(DirectoryLock, DiesWithItsProcess) {
  const Scratch scratch;
  std::array<int, 2> ready{};
  ASSERT_EQ(::pipe(ready.data()), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const DirectoryLock lock(scratch.path(), "corpus build");
    static_cast<void>(!::write(ready[1], "x", 1));
    for (;;) ::pause();
  }
  char signal = 0;
  ASSERT_EQ(::read(ready[0], &signal, 1), 1);
  EXPECT_THROW(DirectoryLock(scratch.path(), "corpus build"), UsageError);
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_NO_THROW(DirectoryLock(scratch.path(), "corpus build"));
  ::close(ready[0]);
  ::close(ready[1]);
}

}  // namespace
}  // namespace terramill
