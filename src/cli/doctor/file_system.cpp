#include "checks.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <map>
#include <memory>
#include <span>

#include <fcntl.h>
#include <sys/statfs.h>
#include <unistd.h>

namespace terramill::cli {
namespace {

constexpr std::size_t kBlock = std::size_t{4} << 20;  // bytes per call
constexpr std::size_t kAlignment = 4096;              // what O_DIRECT asks for at most
constexpr int kSmallFiles = 200;

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// A block that O_DIRECT accepts, filled with what no file system can compress.
class Block {
 public:
  Block() : bytes_(static_cast<std::byte*>(std::aligned_alloc(kAlignment, kBlock)), &std::free) {
    if (!bytes_) throw std::bad_alloc();
    std::uint64_t state = 0x9E3779B97F4A7C15;
    for (std::size_t i = 0; i < kBlock; i += sizeof state) {
      state ^= state << 13, state ^= state >> 7, state ^= state << 17;  // xorshift64 (Marsaglia 2003)
      std::copy_n(reinterpret_cast<const std::byte*>(&state), sizeof state, bytes_.get() + i);
    }
  }
  std::span<std::byte> bytes() const { return {bytes_.get(), kBlock}; }

 private:
  std::unique_ptr<std::byte, decltype(&std::free)> bytes_;
};

/// A folder that is removed with all it holds.
class ScratchFolder {
 public:
  explicit ScratchFolder(std::filesystem::path path) : path_(std::move(path)) {
    std::error_code error;
    std::filesystem::create_directories(path_, error);
    if (error)
      throw IoError("cannot make a folder", error.value(), {"measure a file system", path_.string(), ""});
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

void write_blocks(const std::filesystem::path& path, std::int64_t blocks, const Block& block) {
  FileDescriptor file = FileDescriptor::create(path);
  for (std::int64_t i = 0; i < blocks; ++i) file.write(block.bytes());
  file.sync();
  file.close();
}

/// Opens past the page cache where the file system can; elsewhere drops the file's pages first.
bool drop_cache(const FileDescriptor& file) {
  const int flags = fcntl(file.get(), F_GETFL);
  if (flags >= 0 && fcntl(file.get(), F_SETFL, flags | O_DIRECT) == 0) return true;
  return posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED) == 0;
}

void read_blocks(const FileDescriptor& file, std::int64_t blocks, const Block& block) {
  for (std::int64_t i = 0; i < blocks; ++i)
    file.read_at(static_cast<std::uint64_t>(i) * kBlock, block.bytes());
}

void create_small_files(const std::filesystem::path& folder, const Block& block) {
  for (int i = 0; i < kSmallFiles; ++i) {
    FileDescriptor file = FileDescriptor::create(folder / ("small-" + std::to_string(i)));
    file.write(block.bytes().first(4096));
    file.close();
  }
  sync_directory(folder);
}

/// The name of a file system by its magic number (statfs(2)).
std::string type_name(const struct statfs& info) {
  static const std::map<std::uint64_t, std::string> names = {
      {0xEF53, "ext4"},        {0x58465342, "xfs"},    {0x9123683E, "btrfs"}, {0x01021994, "tmpfs"},
      {0x6969, "NFS"},         {0x0BD00BD0, "Lustre"}, {0x47504653, "GPFS"},  {0x19830326, "BeeGFS"},
      {0x794C7630, "overlay"}, {0x65735546, "FUSE"},   {0x00C36400, "Ceph"},  {0x2FC12FC1, "ZFS"},
  };
  const auto found = names.find(static_cast<std::uint64_t>(info.f_type) & 0xFFFFFFFF);
  return found == names.end() ? "unknown type" : found->second;
}

Finding space_finding(const std::filesystem::path& path) {
  struct statfs info {};
  if (statfs(path.c_str(), &info) != 0) {
    throw IoError("statfs failed", errno, {"ask for free space", path.string(), ""});
  }
  const auto free = static_cast<std::int64_t>(info.f_bavail) * info.f_bsize;
  Finding finding{
      .name = "path",
      .value = path.string() + ": " + type_name(info) + ", " + std::to_string(free >> 30) + " GiB free"};
  finding.facts = {{"path", path.string()}, {"type", type_name(info)}, {"free_bytes", free}};
  if (free < (std::int64_t{10} << 30)) {
    finding.verdict = Verdict::kWarning;
    finding.advice = "less than 10 GiB: a corpus of 100,000 tiles takes about 10";
  }
  return finding;
}

Finding rate_finding(const std::string& name, double rate, const std::string& unit, double enough,
                     const std::string& advice) {
  Finding finding{.name = name, .value = std::to_string(static_cast<std::int64_t>(rate)) + " " + unit};
  finding.facts = {{"rate", rate}, {"unit", unit}};
  if (rate < enough) {
    finding.verdict = Verdict::kWarning;
    finding.advice = advice;
  }
  return finding;
}

/// Runs `job` on all ranks at once; the seconds of the slowest.
template <typename F>
double slowest(const mpi::Communicator& world, F&& job) {
  world.barrier();
  const auto start = Clock::now();
  mpi::all_or_none(world, job);
  return std::max(world.max(seconds_since(start)), 1e-9);
}

}  // namespace

std::vector<Finding> check_file_system(const mpi::Communicator& world, const std::filesystem::path& path,
                                       std::int64_t bytes) {
  const std::int64_t blocks = std::max<std::int64_t>(1, bytes / static_cast<std::int64_t>(kBlock));
  const double megabytes = static_cast<double>(blocks * world.size()) * kBlock / 1e6;
  const std::string name = ".terramill-doctor-" + world.broadcast(std::to_string(getpid()));
  try {
    std::vector<Finding> findings;
    std::unique_ptr<ScratchFolder> folder;
    const Block block;
    mpi::all_or_none(world, [&] {
      findings.push_back(space_finding(path));
      folder = std::make_unique<ScratchFolder>(path / (name + "-" + std::to_string(world.rank())));
    });
    const auto file = folder->path() / "sequential";

    const double write = slowest(world, [&] { write_blocks(file, blocks, block); });
    findings.push_back(rate_finding("write", megabytes / write, "MB/s with fsync, all ranks together", 50,
                                    "slow: write corpora to a parallel or node-local file system"));

    bool dropped = false;
    FileDescriptor open;
    mpi::all_or_none(world, [&] {
      open = FileDescriptor::open_read(file);
      dropped = drop_cache(open);
    });
    const double read = slowest(world, [&] { read_blocks(open, blocks, block); });
    const bool cached = world.min(dropped ? 1 : 0) == 0;
    findings.push_back(rate_finding("read", megabytes / read,
                                    cached ? "MB/s, perhaps from memory" : "MB/s past the page cache", 50,
                                    "slow: copy the corpus to a parallel or node-local file system first"));

    const double small = slowest(world, [&] { create_small_files(folder->path(), block); });
    findings.push_back(rate_finding("small files", kSmallFiles * world.size() / small, "created per second",
                                    50, "slow: keep raw tiles elsewhere, or in fewer, larger files"));
    open = {};
    return findings;
  } catch (const Error& error) {
    Finding finding{
        .name = "path", .verdict = Verdict::kMissing, .value = path.string() + ": " + error.message()};
    finding.facts = {{"path", path.string()}, {"error", error.what()}};
    finding.advice = "name a folder on this machine that this user can write to";
    return {finding};
  }
}

}  // namespace terramill::cli
