#include "tile_reader.hpp"

#include <terramill/core/damage.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/trace.hpp>

#include <algorithm>

namespace terramill::loader {

TileReader::TileReader(std::filesystem::path corpus, const std::vector<Request>& requests,
                       const LoaderOptions& options)
    : corpus_(std::move(corpus)), manifest_(corpus::read_manifest(corpus_)), verify_(options.verify) {
  const auto refuse = [](const std::string& option, const std::string& message) {
    throw UsageError(message, {"check the loader options", option, ""});
  };
  if (options.threads < 1) refuse("threads", "the loader needs at least one thread");
  if (options.prefetch < 1) refuse("prefetch", "the loader reads at least one micro-batch ahead");
  if (options.open_shards < 1) refuse("open_shards", "the loader keeps at least one shard open");
  if (!(options.max_bad_rate >= 0 && options.max_bad_rate <= 1)) {
    refuse("max_bad_rate", "the rate of unreadable tiles must be from 0 to 1");
  }
  const corpus::Schema& schema = manifest_.schema;
  const int smallest = std::min(schema.height, schema.width);
  if (options.crop_size < 0 || options.crop_size > smallest) {
    refuse("crop_size", "windows of " + std::to_string(options.crop_size) + " pixels do not fit tiles of " +
                            std::to_string(schema.height) + " x " + std::to_string(schema.width));
  }
  crop_size_ = options.crop_size == 0 ? smallest : options.crop_size;
  if (manifest_.index_only) {
    throw UsageError("the corpus is only an index: it has no tiles to load",
                     {"open a corpus for loading", corpus_.string(), "build or synthesise a whole corpus"});
  }
  auto statistics = corpus::read_statistics(options.statistics.empty() ? corpus_ / corpus::kStatisticsFile
                                                                       : options.statistics);
  for (const auto& [key, bands] : options.preferred) statistics[key] = bands;
  const NoDataMode mode = no_data_mode_from(options.nodata_mode);
  for (const Request& request : requests) {
    conversions_.push_back(resolve(request, manifest_.schema, statistics, mode));
  }
  shards_ = std::make_unique<ShardCache>(corpus_, manifest_, static_cast<std::size_t>(options.open_shards));
}

Expected<ReadDone, ReadFault> TileReader::read(const sampling::PlanEntry& entry, const SamplePlace& place,
                                               Scratch& scratch) {
  std::string reason;
  for (int attempt = 0; attempt < 2; ++attempt) {
    try {
      read_once(entry, place, scratch);
      return ReadDone{};
    } catch (const IoError& fault) {
      if (!tells_damage(fault.error_number())) throw;  // the tile may be whole: no other stands in for it
      reason = fault.message();
    } catch (const FormatError& fault) {
      reason = fault.message();
    } catch (const IntegrityError& fault) {
      reason = fault.message();
    }
    shards_->drop(entry.shard);
  }
  return Unexpected(ReadFault{reason});
}

std::span<const std::byte> TileReader::read_values(const OpenShard& shard, const sampling::PlanEntry& entry,
                                                   const Conversion& conversion, Scratch& scratch) const {
  const corpus::Modality& modality = *conversion.modality;
  const corpus::ChunkLocation& chunk = shard.chunks.at(entry.row, conversion.index);
  constexpr std::uint64_t kSlack = 4096;  // a stored chunk may be larger than its values, but not by much
  const auto describe = [&] {
    return "chunk of " + modality.name + " in row " + std::to_string(entry.row) + " of " +
           corpus::shard_path(corpus_, entry.shard).string();
  };
  if (chunk.size > 2 * conversion.stored_bytes + kSlack)
    throw FormatError("the " + describe() + " has an absurd size");
  trace::Span read("read", "loader");
  read.with("bytes", static_cast<std::int64_t>(chunk.size));
  scratch.stored.resize(chunk.size);
  shard.file.read_at(chunk.offset, scratch.stored);
  if (verify_ && xxh3(scratch.stored) != chunk.xxh3) {
    throw IntegrityError("the " + describe() + " does not agree with its hash");
  }
  read.end();
  if (!modality.pixel) {
    if (chunk.size != conversion.stored_bytes) throw FormatError("the " + describe() + " has the wrong size");
    return scratch.stored;
  }
  trace::Span decode("decode", "loader");
  decode.with("bytes", static_cast<std::int64_t>(conversion.stored_bytes));
  scratch.values.resize(conversion.stored_bytes);
  scratch.decoder.decode(scratch.stored, size_of(modality.dtype), scratch.values);
  return scratch.values;
}

void TileReader::read_once(const sampling::PlanEntry& entry, const SamplePlace& place, Scratch& scratch) {
  const auto shard = shards_->get(entry.shard);
  if (entry.row >= shard->chunks.tiles()) {
    throw FormatError("shard " + std::to_string(entry.shard) + " has no row " + std::to_string(entry.row));
  }
  const auto type = static_cast<corpus::S2Type>(std::min<std::uint8_t>(shard->s2_type[entry.row], 2));
  std::span<const std::byte> values;
  const Conversion* decoded = nullptr;  // whose modality `values` holds
  for (std::size_t r = 0; r < conversions_.size(); ++r) {
    const Conversion& conversion = conversions_[r];
    const bool present = (shard->present[entry.row] >> conversion.index & 1) != 0;
    *place.present[r] = present ? 1 : 0;
    if (!present && conversion.absent_is_missing && conversion.form != Form::kStored) {
      fill_missing(conversion, place.into[r]);
      continue;
    }
    if (decoded == nullptr || decoded->index != conversion.index) {
      values = read_values(*shard, entry, conversion, scratch);
      decoded = &conversion;
    }
    const trace::Span convert_span("convert", "loader");
    convert(conversion, values, type, place.window, crop_size_, place.into[r]);
  }
}

}  // namespace terramill::loader
