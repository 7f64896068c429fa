// What checkpoints cost: an invented state, of which every rank holds a part as with ZeRO-1, saved at once
// and behind the training, read again, and kept on the nodes' disks with a parity or a copy at a partner.
// Each rate stands beside the disk's or the memory's, measured right before it by plain writing, reading or
// copying of as many bytes, so that a noisy machine hits both alike. Each rank plays a node. Prints medians
// over the rounds: of the slowest rank's seconds, and of each round's ratios; at the end one JSON object.
//
//     mpirun -n 4 build/release/bin/bench_checkpoint [--bytes 2GiB] [--folder DIR] [--rounds 3]

#include <terramill/checkpoint/async_writer.hpp>
#include <terramill/checkpoint/local_tier.hpp>
#include <terramill/checkpoint/reader.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/json.hpp>
#include <terramill/core/options.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <fcntl.h>
#include <torch/torch.h>

namespace {

namespace fs = std::filesystem;
namespace checkpoint = terramill::checkpoint;
using terramill::FileDescriptor;
using terramill::mpi::Communicator;

constexpr std::size_t kBlock = std::size_t{8} << 20;
constexpr std::int64_t kTensors = 64;

/// "2GiB", "512MiB" or a number of bytes.
std::int64_t parse_bytes(const std::string& text) {
  std::size_t used = 0;
  const std::int64_t number = std::stoll(text, &used);
  const std::string unit = text.substr(used);
  if (unit.empty()) return number;
  if (unit == "MiB") return number << 20;
  if (unit == "GiB") return number << 30;
  throw terramill::UsageError("--bytes takes a number with MiB, GiB or no unit",
                              {"read the options", text, ""});
}

class Bench {
 public:
  Bench(const Communicator& world, fs::path folder, std::int64_t bytes)
      : world_(world), folder_(std::move(folder)), share_(static_cast<std::size_t>(bytes / world.size())) {
    const std::int64_t elements = bytes / kTensors / 4;
    for (std::int64_t t = 0; t < kTensors; ++t) {
      checkpoint::StateTensor& tensor = tensors_.emplace_back();
      tensor.name = "tensor." + std::to_string(t);
      tensor.shape = {elements};
      if (t * world.size() / kTensors == world.rank()) tensor.add(nullptr, 0, torch::rand({elements}));
    }
    for (std::size_t i = 0; i < block_.size(); ++i) block_[i] = static_cast<std::byte>(i * 2654435761U >> 13);
  }

  void round() {
    plain_copy();
    plain_write();
    save_at_once();
    save_behind();
    plain_read();
    restore();
    local("local without parity", 0);
    local("local with parity", world_.size());
    partner_copy();
  }

  terramill::Json results() {
    terramill::Json all = {{"bytes", static_cast<std::int64_t>(share_) * world_.size()},
                           {"ranks", world_.size()}};
    for (const auto& [name, values] : seconds_) all["seconds"][name] = median(values);
    const auto ratio = [&](const char* name, const char* part, const char* whole) {
      std::vector<double> ratios;
      for (std::size_t i = 0; i < seconds_[part].size(); ++i)
        ratios.push_back(seconds_[part][i] / seconds_[whole][i]);
      all["ratios"][name] = median(ratios);
    };
    ratio("stall, behind over at once", "save behind: stall", "save at once");
    ratio("stall over the memory's copy", "save behind: stall", "memory: copy");
    ratio("save over the disk's rate", "disk: write", "save at once");
    ratio("restore over the disk's rate", "disk: read", "restore");
    std::vector<double> parity;
    for (std::size_t i = 0; i < seconds_["local with parity"].size(); ++i) {
      const double plain = seconds_["local without parity"][i];
      parity.push_back((seconds_["local with parity"][i] - plain) /
                       (seconds_["local with a partner's copy"][i] - plain));
    }
    all["ratios"]["parity's time over a copy's"] = median(parity);
    all["extra_bytes"] = extra_bytes_;
    return all;
  }

 private:
  static double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
  }

  /// Seconds of the slowest rank.
  void time(const std::string& name, const std::function<void()>& job) {
    world_.barrier();
    const auto start = std::chrono::steady_clock::now();
    job();
    const double own = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    seconds_[name].push_back(world_.max(own));
  }

  fs::path own_file(const std::string& name) const {
    return folder_ / (name + "-" + std::to_string(world_.rank()));
  }

  void write_blocks(FileDescriptor& file) const {
    for (std::size_t at = 0; at < share_; at += kBlock)
      file.write_at(at, std::span(block_).first(std::min(kBlock, share_ - at)));
  }

  void plain_write() {
    time("disk: write", [&] {
      FileDescriptor file = FileDescriptor::create(own_file("plain"));
      write_blocks(file);
      file.sync();
      file.close();
    });
  }

  /// What the stall cannot be below: a copy of as much memory, by all ranks at once.
  void plain_copy() {
    std::size_t bytes = 0;
    for (const checkpoint::StateTensor& tensor : tensors_) {
      for (const checkpoint::Piece& piece : tensor.pieces) bytes += piece.values.nbytes();
    }
    copy_.resize(bytes, std::byte{1});
    time("memory: copy", [&] {
      std::size_t at = 0;
      for (const checkpoint::StateTensor& tensor : tensors_) {
        for (const checkpoint::Piece& piece : tensor.pieces) {
          std::memcpy(copy_.data() + at, piece.values.const_data_ptr(), piece.values.nbytes());
          at += piece.values.nbytes();
        }
      }
    });
  }

  void save_at_once() {
    if (!writer_) {
      writer_.emplace(world_, [this](const Communicator& comm, const checkpoint::Snapshot& snapshot) {
        checkpoint::write(comm, folder_, snapshot);
      });
      // The first faults the memory in that the others use again.
      time("save behind: first stall", [&] { submit(1); });
      wait();
    }
    time("save at once", [&] {
      writer_->write(1, tensors_, {}, {checkpoint::AsyncWriter::Tier::kShared});
      wait();
    });
  }

  void save_behind() {
    time("save behind: stall", [&] { submit(2); });
    time("save behind: the rest", [&] { wait(); });
  }

  void wait() {
    for (const auto& outcome : writer_->wait()) {
      if (outcome.fault) std::rethrow_exception(outcome.fault);
    }
  }

  void submit(std::int64_t step) {
    writer_->submit(step, tensors_, {}, {checkpoint::AsyncWriter::Tier::kShared});
  }

  checkpoint::Snapshot snapshot(std::int64_t step) const {
    return {world_.rank(), world_.size(), step, tensors_, {}};
  }

  /// Has the next reading come from the disk.
  static void forget(const fs::path& path) {
    const FileDescriptor file = FileDescriptor::open_read(path);
    if (::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED) != 0)
      throw terramill::IoError("cannot drop cached pages", 0, {"measure", path.string(), ""});
  }

  void plain_read() {
    forget(own_file("plain"));
    std::vector<std::byte> block(kBlock);
    time("disk: read", [&] {
      const FileDescriptor file = FileDescriptor::open_read(own_file("plain"));
      for (std::size_t at = 0; at < share_; at += kBlock)
        file.read_at(at, std::span(block).first(std::min(kBlock, share_ - at)));
    });
  }

  void restore() {
    const fs::path path = folder_ / "checkpoints" / "step-00000001";
    if (world_.rank() == 0) {
      for (const auto& entry : fs::directory_iterator(path)) forget(entry.path());
    }
    time("restore", [&] {
      const checkpoint::Reader reader(path);
      for (const checkpoint::StateTensor& tensor : tensors_) reader.read_into(tensor);
    });
  }

  void local(const std::string& name, int parity_set) {
    const checkpoint::LocalTier tier(
        world_, {folder_ / "local", "bench", {"node" + std::to_string(world_.rank()), ""}, parity_set});
    const checkpoint::Snapshot copied = snapshot(1);
    time(name, [&] { tier.write(world_, copied); });
    extra_bytes_[name] = tier.parity_bytes();
  }

  /// What a parity is instead of: each node keeps a whole copy of its neighbour's file.
  void partner_copy() {
    const checkpoint::LocalTier tier(
        world_, {folder_ / "local", "bench", {"node" + std::to_string(world_.rank()), ""}, 0});
    const checkpoint::Snapshot copied = snapshot(1);
    std::uint64_t bytes = 0;
    time("local with a partner's copy", [&] {
      tier.write(world_, copied);
      bytes = exchange_copies();
    });
    extra_bytes_["local with a partner's copy"] = bytes;
  }

  std::uint64_t exchange_copies() const {
    const std::string rank = std::to_string(world_.rank());
    const FileDescriptor own =
        FileDescriptor::open_read(folder_ / "local" / "bench" / ("node" + rank) / "step-00000001" /
                                  ("rank-0000" + rank + ".safetensors"));
    FileDescriptor copy = FileDescriptor::create(own_file("copy"));
    const int size = world_.size(), to = (world_.rank() + 1) % size, from = (world_.rank() + size - 1) % size;
    std::vector<std::byte> out(kBlock), in(kBlock);
    std::uint64_t mine = own.size(), theirs = 0;
    terramill::mpi::check(MPI_Sendrecv(&mine, 1, MPI_UINT64_T, to, 0, &theirs, 1, MPI_UINT64_T, from, 0,
                                       world_.native(), MPI_STATUS_IGNORE),
                          "exchange lengths");
    for (std::uint64_t at = 0; at < std::max(mine, theirs); at += kBlock) {
      const auto part = [&](std::uint64_t length) {
        return at < length ? std::min<std::uint64_t>(kBlock, length - at) : 0;
      };
      if (part(mine) > 0) own.read_at(at, std::span(out).first(part(mine)));
      terramill::mpi::check(
          MPI_Sendrecv(out.data(), static_cast<int>(part(mine)), MPI_BYTE, to, 1, in.data(),
                       static_cast<int>(part(theirs)), MPI_BYTE, from, 1, world_.native(), MPI_STATUS_IGNORE),
          "copy to the partner");
      copy.write_at(at, std::span(in).first(part(theirs)));
    }
    copy.close();
    return theirs;
  }

  const Communicator& world_;
  fs::path folder_;
  std::size_t share_;
  std::vector<checkpoint::StateTensor> tensors_;
  std::vector<std::byte> copy_;
  std::vector<std::byte> block_ = std::vector<std::byte>(kBlock);
  std::optional<checkpoint::AsyncWriter> writer_;
  std::map<std::string, std::vector<double>> seconds_;
  std::map<std::string, std::uint64_t> extra_bytes_;  ///< of a rank
};

void print(const terramill::Json& results) {
  const double bytes = results["bytes"].get<double>();
  for (const auto& [name, value] : results["seconds"].items())
    std::printf("%-28s %8.3f s  %8.0f MB/s\n", name.c_str(), value.get<double>(),
                bytes / value.get<double>() / 1e6);
  for (const auto& [name, value] : results["ratios"].items())
    std::printf("%-28s %8.3f\n", name.c_str(), value.get<double>());
  std::printf("%s\n", terramill::dump_json(results).c_str());
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const terramill::mpi::Session session(&argc, &argv);
    const Communicator world = Communicator::world();
    std::string bytes = "2GiB", folder = ".";
    int rounds = 3;
    terramill::OptionTable table("bench_checkpoint [--bytes 2GiB] [--folder DIR] [--rounds N]",
                                 "Measures what checkpoints cost, beside the disk.");
    table.add("bytes", &bytes, "of the state, over all ranks");
    table.add("folder", &folder, "on the file system to be measured");
    table.add("rounds", &rounds, "medians are over these");
    if (!table.parse({argv + 1, argv + argc}, std::cout)) return 0;
    if (world.size() < 2) throw terramill::UsageError("start it on two ranks at least: mpirun -n 2");
    at::set_num_threads(1);
    const fs::path scratch = fs::path(folder) / "bench-checkpoint";
    if (world.rank() == 0) fs::create_directories(scratch);
    world.barrier();
    terramill::Json results;
    {
      Bench bench(world, scratch, parse_bytes(bytes));
      for (int round = 0; round < rounds; ++round) bench.round();
      results = bench.results();
    }
    world.barrier();
    if (world.rank() == 0) {
      fs::remove_all(scratch);
      print(results);
    }
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    terramill::mpi::abort_job(1);
  }
}
