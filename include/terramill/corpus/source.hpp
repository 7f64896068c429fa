#pragma once

#include <terramill/core/expected.hpp>
#include <terramill/core/json.hpp>
#include <terramill/corpus/schema.hpp>
#include <terramill/corpus/tile.hpp>
#include <terramill/mpi/communicator.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace terramill::corpus {

/// Raw input seen as a numbered list of candidate tiles. The list depends on the input alone, and so does
/// every tile: who reads it, and when, does not matter.
class Source {
 public:
  virtual ~Source() = default;
  virtual const Schema& schema() const = 0;
  virtual std::uint64_t candidates() const = 0;
  /// The tile of candidate i < candidates(), or why there is none. Thread-safe. `record.shard` and
  /// `record.row` are left to the caller.
  virtual Expected<Tile, TileFault> load(std::uint64_t i) const = 0;
  /// What the manifest keeps about the source: kind, options, candidates, label names. No paths of this
  /// machine, no times.
  virtual Json describe() const = 0;
  /// Hash of the files and windows that the candidates are, where describe() does not tell two lists apart.
  virtual std::optional<std::uint64_t> files_xxh3() const { return std::nullopt; }
};

/// How to open a source; the union of what the kinds take.
///
/// Splits are drawn by location, so that neighbours stay together: the Earth is divided into rows of 0.25
/// degrees of latitude, each row into round(1440 cos(latitude of its middle)) equal columns, blocks of some
/// 28 km by 28 km. A block draws one uniform number from Philox(split_seed, row, column): below test_share it
/// is test, then validation_share validation, else train. A tile without a location is a block of its own,
/// named by its id.
struct SourceOptions {
  std::string kind;               ///< "mmearth-tiles" or "geotiff"
  std::filesystem::path input;    ///< folder with the raw data, for geotiff also the INI file itself
  std::string schema;             ///< "mmearth" or "majortom"; empty: the source's own
  int tile_size = 0;              ///< pixels; 0: the source's own
  bool reference = false;         ///< --compat reference: like the official converter, bug by bug
  std::filesystem::path mapping;  ///< geotiff: the INI of bands, units, land cover and labels
  std::uint64_t split_seed = 0;
  double validation_share = 0,
         test_share = 0;  ///< of locations, by spatial block, from Philox(split_seed, block)
};

/// UsageError when the kind is unknown or the input does not look like it; IoError, FormatError from reading
/// its tables or folders. With `comm` its ranks open the source together and share the work: collective, and
/// AgreementError when they see different files.
std::unique_ptr<Source> open_source(const SourceOptions& options, const mpi::Communicator* comm = nullptr);
std::vector<std::string> source_kinds();

}  // namespace terramill::corpus
