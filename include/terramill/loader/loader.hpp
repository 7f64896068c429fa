#pragma once

#include <terramill/core/options.hpp>
#include <terramill/corpus/manifest.hpp>
#include <terramill/corpus/statistics.hpp>
#include <terramill/loader/buffer.hpp>
#include <terramill/loader/request.hpp>
#include <terramill/sampling/plan.hpp>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace terramill::loader {

/// How tiles are read. The types are those of OptionTable.
struct LoaderOptions {
  int threads = 2;             ///< workers that read, check, decode and normalise
  int prefetch = 4;            ///< micro-batches ready or in work ahead of the consumer
  int crop_size = 0;           ///< pixels of the window given out; 0: whole tiles
  bool random_crop = true;     ///< a random window per sample; otherwise the centre
  bool verify = true;          ///< check xxh3 of every chunk
  double max_bad_rate = 0.01;  ///< unreadable tiles per position of an epoch before the run stops; 0: none
  int open_shards = 256;       ///< shards whose `.idx` and file descriptor are kept
  std::string nodata_mode = "fixed";  ///< "fixed", "v1" or "legacy" (NoDataMode)
  std::filesystem::path statistics;   ///< empty: band_stats.json of the corpus
  corpus::StatisticsTable preferred;  ///< go before those of the file, by key
};

/// Declares the options (all but the last two), each name after `prefix` ("loader."), named as the members.
void add_options(OptionTable& table, LoaderOptions& options, const std::string& prefix);

/// An unreadable tile and what stands in for it. Part of a checkpoint.
struct Replacement {
  std::uint64_t epoch = 0, position = 0;
  sampling::PlanEntry bad, replacement;
  std::string reason;
};
Json to_json(const Replacement& replacement);
Replacement replacement_from_json(const Json& json, const std::string& origin);

/// IntegrityError where more than ceil(max_bad_rate x positions) tiles had to be replaced. It lists `known`,
/// those of them that this rank knows of.
void require_bad_rate(std::uint64_t replaced, std::uint64_t positions, double max_bad_rate,
                      const std::vector<Replacement>& known);

/// What to load, in order of consumption: micro-batch i takes positions [i x micro_batch, (i + 1) x
/// micro_batch) of the lists; the last may be smaller.
struct Work {
  std::uint64_t seed = 0, epoch = 0;
  int micro_batch = 1;
  std::vector<std::uint64_t> positions;      ///< in the epoch
  std::uint64_t total = 0;                   ///< of the whole epoch, on all ranks; 0: these are all
  std::vector<sampling::PlanEntry> entries;  ///< at those positions
  std::vector<sampling::PlanEntry> reserve;  ///< the plan's whole reserve, equal on every rank
  std::vector<Replacement> replaced;         ///< already known, from a checkpoint; other epochs' are ignored
};

/// One request's values for a micro-batch, C order. Exactly one of `floats` and `integers` is non-empty.
struct Block {
  Form form = Form::kNormalised;
  std::vector<std::int64_t> shape;    ///< [B, C, h, w] of a pixel modality, [B, C] of an image-level one
  std::span<float> floats;            ///< kNormalised, kStored
  std::span<std::int64_t> integers;   ///< kClassIndex, kOneHot
  std::vector<std::uint8_t> present;  ///< [B]: 1 where the tile has the modality
};

/// A window's upper left pixel in its tile.
struct Window {
  int x = 0, y = 0;  ///< column, row
  bool operator==(const Window&) const = default;
};

/// Loaded samples. Its memory goes back to the loader's pool on destruction; it may outlive the loader.
struct MicroBatch {
  std::uint64_t index = 0;                ///< in the Work
  std::vector<std::uint64_t> positions;   ///< [B]
  std::vector<std::uint64_t> tile_keys;   ///< [B], of what was loaded, replacements included
  std::vector<std::uint64_t> index_rows;  ///< [B], of the same tiles in index.h5
  std::vector<Window> windows;            ///< [B]
  std::vector<Block> blocks;              ///< in order of the requests
  std::int64_t size() const noexcept { return static_cast<std::int64_t>(positions.size()); }

  Buffer buffer;  ///< what the blocks point into
};

/// Reads a corpus's tiles into host buffers: worker threads pread chunks as the `.idx` locates them, check,
/// decode and normalise them, all outside HDF5. What is given out depends on corpus, requests, options and
/// Work alone: never on threads, ranks or timing.
///
/// The window of a sample is drawn from Philox(seed, kCrop, epoch and position, tile key) and is the same for
/// all its pixel modalities. A chunk that fails its hash or does not decode is read once more; if it stays
/// bad, the tile is replaced by entry (xxh3 of the position + attempt) mod R of the reserve, recorded with
/// the first attempt that reads whole.
class Loader {
 public:
  /// UsageError for an unknown modality or band (naming the nearest), a window larger than the tiles, a form
  /// that does not suit its modality, or missing statistics; IoError, FormatError from the corpus.
  Loader(const std::filesystem::path& corpus, std::vector<Request> requests, const LoaderOptions& options,
         Allocator allocator = Allocator::host());
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  const corpus::Manifest& manifest() const noexcept;
  const std::vector<Request>& requests() const noexcept;
  /// Per request the band names given out, in order.
  const std::vector<std::vector<std::string>>& bands() const noexcept;

  /// Bytes of the buffers for micro-batches of `micro_batch` tiles, at most: those read ahead, and the one
  /// given out.
  std::size_t buffer_bytes(int micro_batch) const;

  /// Starts reading ahead. What is left of earlier work is dropped.
  void start(Work work);
  /// The next micro-batch in order; empty after the last. Blocks until it is whole. IntegrityError
  /// where more tiles were bad than max_bad_rate allows (of the replacements here alone: ranks add theirs up
  /// by require_bad_rate), or no reserve tile could be read; what else stopped a worker is thrown here too.
  std::optional<MicroBatch> next();

  /// Replacements in micro-batches that next() has given out since `start`, in order of consumption, with
  /// those known before that concern them.
  const std::vector<Replacement>& replacements() const noexcept;
  /// Seconds that next() has waited, in all.
  double waited() const noexcept;

  /// Loads the tiles of these index rows at once, with centred windows, in the calling thread. IntegrityError
  /// for a bad chunk. Not while another thread is in `load_tiles`; independent of `start` and `next`.
  MicroBatch load_tiles(std::span<const std::uint64_t> index_rows);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace terramill::loader
