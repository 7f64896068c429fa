#pragma once

#include <terramill/core/file.hpp>
#include <terramill/mpi/patient.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

// XOR parity among N members, each on a node of its own, as RAID-5 lays it out and SCR uses it (Moody et al.,
// "Design, modeling, and evaluation of a scalable multi-level checkpointing system", SC 2010): a member's
// bytes, padded with zeros, are N - 1 segments, one for each other member's parity, which is the XOR of the
// N - 1 segments that the others give it. Any one member's bytes follow from the others' bytes and parities.

namespace terramill::checkpoint {

/// Bytes of a segment, and of each parity, where the longest member has `longest` bytes.
std::uint64_t segment_bytes(std::uint64_t longest, std::size_t members);
/// Which segment of `member`'s bytes goes into `holder`'s parity; the two differ.
std::uint64_t segment_for(std::size_t member, std::size_t holder);

/// `into` becomes its XOR with `other`, of the same length.
void xor_into(std::span<std::byte> into, std::span<const std::byte> other);

/// A file that reads as zeros behind its end; a missing one (no path) is all zeros.
class PaddedFile {
 public:
  explicit PaddedFile(const std::optional<std::filesystem::path>& path);
  void read_at(std::uint64_t offset, std::span<std::byte> into) const;

 private:
  FileDescriptor file_;
  std::uint64_t size_ = 0;
};

/// Sends `text` to every other member and returns all members' texts, in the order of `group` (ranks of
/// `comm`, among them this one). Collective over the group.
std::vector<std::string> exchange_texts(const mpi::Patient& comm, std::span<const int> group,
                                        const std::string& text);

/// Writes this member's parity to `target`, `segment` bytes, while it gives the others what theirs need of
/// `source`. Returns the fault of a file, if any: the exchange goes on with zeros, so that no member waits.
/// Collective over the group.
std::exception_ptr write_parity(const mpi::Patient& comm, std::span<const int> group,
                                const std::optional<std::filesystem::path>& source, std::uint64_t segment,
                                const std::filesystem::path& target);

}  // namespace terramill::checkpoint
