#pragma once

#include "conversion.hpp"
#include "shard_cache.hpp"

#include <terramill/core/expected.hpp>
#include <terramill/corpus/codec.hpp>

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace terramill::loader {

/// Why a tile could not be read.
struct ReadFault {
  std::string reason;
};
struct ReadDone {};

/// What a thread needs to read tiles; holds scratch memory.
struct Scratch {
  explicit Scratch(corpus::Codec codec) : decoder(codec) {}
  corpus::ChunkDecoder decoder;
  std::vector<std::byte> stored, values;
};

/// One sample's place in a micro-batch.
struct SamplePlace {
  Window window;
  std::vector<Destination> into;       ///< per request
  std::vector<std::uint8_t*> present;  ///< per request
};

/// Reads tiles of a corpus for a fixed list of requests. Thread-safe but for the scratch memory.
class TileReader {
 public:
  TileReader(std::filesystem::path corpus, const std::vector<Request>& requests,
             const LoaderOptions& options);

  /// Fills `place`. A fault is what the file system or the bytes did wrong, after a second attempt with the
  /// shard opened anew; UsageError where statistics are missing.
  Expected<ReadDone, ReadFault> read(const sampling::PlanEntry& entry, const SamplePlace& place,
                                     Scratch& scratch);

  const corpus::Manifest& manifest() const noexcept { return manifest_; }
  const std::vector<Conversion>& conversions() const noexcept { return conversions_; }
  int crop_size() const noexcept { return crop_size_; }
  ShardCache& shards() noexcept { return *shards_; }

 private:
  void read_once(const sampling::PlanEntry& entry, const SamplePlace& place, Scratch& scratch);
  std::span<const std::byte> read_values(const OpenShard& shard, const sampling::PlanEntry& entry,
                                         const Conversion& conversion, Scratch& scratch) const;

  std::filesystem::path corpus_;
  corpus::Manifest manifest_;
  std::vector<Conversion> conversions_;
  std::unique_ptr<ShardCache> shards_;
  int crop_size_ = 0;
  bool verify_;
};

}  // namespace terramill::loader
