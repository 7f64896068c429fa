#include "parity.hpp"

#include <terramill/core/phase.hpp>
#include <terramill/core/trace.hpp>

#include <algorithm>
#include <functional>

namespace terramill::checkpoint {

namespace {

constexpr std::uint64_t kBlock = std::uint64_t{4} << 20;  // bytes that travel at once
constexpr int kLengthTag = 4, kTextTag = 5, kParityTag = 6;

}  // namespace

std::uint64_t segment_bytes(std::uint64_t longest, std::size_t members) {
  return (longest + members - 2) / (members - 1);
}

std::uint64_t segment_for(std::size_t member, std::size_t holder) {
  return holder < member ? holder : holder - 1;
}

void xor_into(std::span<std::byte> into, std::span<const std::byte> other) {
  std::ranges::transform(into, other, into.begin(), std::bit_xor<>());
}

PaddedFile::PaddedFile(const std::optional<std::filesystem::path>& path) {
  if (!path) return;
  file_ = FileDescriptor::open_read(*path);
  size_ = file_.size();
}

void PaddedFile::read_at(std::uint64_t offset, std::span<std::byte> into) const {
  const std::uint64_t there = offset < size_ ? std::min<std::uint64_t>(size_ - offset, into.size()) : 0;
  if (there > 0) file_.read_at(offset, into.first(there));
  std::ranges::fill(into.subspan(there), std::byte{0});
}

std::vector<std::string> exchange_texts(const mpi::Patient& comm, std::span<const int> group,
                                        const std::string& text) {
  std::vector<std::uint64_t> lengths(group.size());
  std::vector<std::string> texts(group.size());
  const std::uint64_t own = text.size();
  std::vector<MPI_Request> requests;
  const auto with_others = [&](const char* attempted, auto job) {
    requests.clear();
    for (std::size_t j = 0; j < group.size(); ++j) {
      if (group[j] != comm.rank()) job(j, group[j]);
    }
    mpi::wait_patiently(requests, attempted);
  };
  with_others("exchange lengths", [&](std::size_t j, int peer) {
    mpi::check(
        MPI_Irecv(&lengths[j], 1, MPI_UINT64_T, peer, kLengthTag, comm.native(), &requests.emplace_back()),
        "exchange lengths");
    mpi::check(MPI_Isend(&own, 1, MPI_UINT64_T, peer, kLengthTag, comm.native(), &requests.emplace_back()),
               "exchange lengths");
  });
  with_others("exchange texts", [&](std::size_t j, int peer) {
    texts[j].resize(lengths[j]);
    mpi::check(MPI_Irecv(texts[j].data(), static_cast<int>(lengths[j]), MPI_CHAR, peer, kTextTag,
                         comm.native(), &requests.emplace_back()),
               "exchange texts");
    mpi::check(MPI_Isend(text.data(), static_cast<int>(own), MPI_CHAR, peer, kTextTag, comm.native(),
                         &requests.emplace_back()),
               "exchange texts");
  });
  for (std::size_t j = 0; j < group.size(); ++j) {
    if (group[j] == comm.rank()) texts[j] = text;
  }
  return texts;
}

std::exception_ptr write_parity(const mpi::Patient& comm, std::span<const int> group,
                                const std::optional<std::filesystem::path>& source, std::uint64_t segment,
                                const std::filesystem::path& target) {
  const trace::Span span("checkpoint parity", "checkpoint");
  const auto self = static_cast<std::size_t>(std::ranges::find(group, comm.rank()) - group.begin());
  std::exception_ptr fault;
  const auto unless_faulty = [&](auto job) {
    if (fault) return;
    const PhaseTimer work(Phase::kCheckpoint);
    try {
      job();
    } catch (const std::exception&) {
      fault = std::current_exception();
    }
  };
  std::optional<PaddedFile> mine;
  FileDescriptor parity;
  unless_faulty([&] {
    mine.emplace(source);
    parity = FileDescriptor::create(target);
  });
  std::vector<std::vector<std::byte>> given(group.size()), taken(group.size());
  for (std::uint64_t at = 0; at < segment; at += kBlock) {
    const std::size_t count = std::min(kBlock, segment - at);
    std::vector<MPI_Request> requests;
    for (std::size_t j = 0; j < group.size(); ++j) {
      if (j == self) continue;
      given[j].assign(count, std::byte{0});
      taken[j].resize(count);
      unless_faulty([&] { mine->read_at(segment_for(self, j) * segment + at, given[j]); });
      mpi::check(MPI_Irecv(taken[j].data(), static_cast<int>(count), MPI_BYTE, group[j], kParityTag,
                           comm.native(), &requests.emplace_back()),
                 "exchange parity");
      mpi::check(MPI_Isend(given[j].data(), static_cast<int>(count), MPI_BYTE, group[j], kParityTag,
                           comm.native(), &requests.emplace_back()),
                 "exchange parity");
    }
    mpi::wait_patiently(requests, "exchange parity", mpi::kDataNap);
    unless_faulty([&] {
      std::vector<std::byte>& sum = given[self];
      sum.assign(count, std::byte{0});
      for (std::size_t j = 0; j < group.size(); ++j) {
        if (j != self) xor_into(sum, taken[j]);
      }
      parity.write_at(at, sum);
    });
  }
  unless_faulty([&] { parity.close(); });
  return fault;
}

}  // namespace terramill::checkpoint
