#pragma once

#include <terramill/checkpoint/state.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/json.hpp>
#include <terramill/parallel/gradient_buffer.hpp>

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

namespace terramill::checkpoint {

/// Elements [begin, end), in C order, of a region of a tensor, at `offset` bytes into `file`. The region is
/// [range.begin, range.end) of dimension `dim`, whole in the others; dim -1: the whole tensor.
struct Slice {
  std::string file;
  std::uint64_t offset;
  std::uint64_t hash;  ///< xxh3 of the bytes
  std::int64_t begin, end;
  int dim = -1;
  parallel::Range range;
};

struct TensorEntry {
  std::string name;
  at::ScalarType dtype;
  std::vector<std::int64_t> shape;
  std::vector<Slice> slices;  ///< by region, in order, without gaps; the regions tile one dimension

  /// Elements of the region that a slice is of.
  std::int64_t region_size(const Slice& slice) const;
};

/// A checkpoint on disk, written by any number of ranks. Any process may read it alone; by one thread at a
/// time.
class Reader {
 public:
  /// Reads and checks index.json of a checkpoint's directory, and the sizes and headers of its files: ranks
  /// that read together check every `parts`-th from number `part` on. IoError when one is missing,
  /// FormatError when one is cut or of another format, IntegrityError when bytes disagree with their hash.
  explicit Reader(std::filesystem::path directory, int part = 0, int parts = 1);

  const std::filesystem::path& directory() const noexcept { return directory_; }
  std::int64_t step() const noexcept { return step_; }
  /// As given to `save`.
  const Json& meta() const noexcept { return meta_; }
  const std::vector<TensorEntry>& tensors() const noexcept { return tensors_; }
  bool has(const std::string& name) const { return by_name_.contains(name); }
  /// FormatError when there is none of that name.
  const TensorEntry& entry(const std::string& name) const;

  /// The whole tensor, on the CPU. IntegrityError naming file and tensor when bytes disagree with their hash.
  at::Tensor read(const std::string& name) const;
  /// Reads into `target` (any device), which must have the tensor's shape and type: FormatError otherwise.
  void read_into(const std::string& name, at::Tensor target) const;
  /// Reads what of a tensor a rank holds, on whatever layout it was written. Where the regions agree, nothing
  /// else is read.
  void read_into(const StateTensor& target) const;

  /// Reads every `parts`-th slice from number `part` on, and throws as `read` for the first that is wrong.
  void verify(int part = 0, int parts = 1) const;

 private:
  void check_file(const std::string& name, std::uint64_t bytes, std::uint64_t header_bytes,
                  std::uint64_t header_hash) const;
  /// As many ranks as there were may have written: a few files stay open at a time.
  const FileDescriptor& open(const std::string& name) const;
  void read_slice(const TensorEntry& entry, const Slice& slice, std::span<std::byte> into) const;
  /// Elements [begin, end) of one region, flat.
  at::Tensor read_region(const TensorEntry& entry, int dim, const parallel::Range& range, std::int64_t begin,
                         std::int64_t end) const;
  void read_region_into(const TensorEntry& entry, int dim, const parallel::Range& range, std::int64_t begin,
                        const at::Tensor& region) const;

  std::filesystem::path directory_;
  std::int64_t step_ = 0;
  Json meta_;
  mutable std::map<std::string, FileDescriptor> open_;
  std::vector<TensorEntry> tensors_;
  std::map<std::string, std::size_t> by_name_;
};

/// What `init_from` did, by name.
struct InitReport {
  std::vector<std::string> loaded;
  std::vector<std::string> missing;     ///< wanted, but not in the source: left as they were
  std::vector<std::string> unexpected;  ///< in the source, but not wanted
};

/// Copies the model's weights, and nothing else, from `source` into `parameters` by name. `source` is a
/// checkpoint's directory, a run (its newest checkpoint) or a .safetensors file; in a checkpoint the tensors
/// "model.<name>" count. UsageError when no name agrees; FormatError for a tensor of another shape.
///
/// `placements`: which part of a tensor belongs into the parameter of that name.
InitReport init_from(const std::filesystem::path& source,
                     const std::vector<parallel::NamedTensor>& parameters,
                     const parallel::Placements& placements = {});
/// The names under which `source` holds the model's weights.
std::vector<std::string> weight_names(const std::filesystem::path& source);

}  // namespace terramill::checkpoint
