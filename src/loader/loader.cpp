#include "batch_layout.hpp"
#include "prefetcher.hpp"
#include "tile_reader.hpp"

#include <terramill/core/activity.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/log.hpp>
#include <terramill/core/phase.hpp>
#include <terramill/core/trace.hpp>
#include <terramill/loader/loader.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>

namespace terramill::loader {

void require_bad_rate(std::uint64_t replaced, std::uint64_t positions, double max_bad_rate,
                      const std::vector<Replacement>& known) {
  if (static_cast<double>(replaced) <= std::ceil(max_bad_rate * static_cast<double>(positions))) return;
  constexpr std::size_t kMostListed = 20;
  const std::size_t listed = std::min(known.size(), kMostListed);
  std::string list;
  for (std::size_t i = 0; i < listed; ++i) {
    list += "\n  position " + std::to_string(known[i].position) + ": " + known[i].reason;
  }
  if (replaced > listed) list += "\n  and " + std::to_string(replaced - listed) + " more";
  throw IntegrityError(
      std::to_string(replaced) + " of " + std::to_string(positions) +
          " positions had unreadable tiles, more than max_bad_rate allows:" + list,
      {"load tiles", "max_bad_rate " + std::to_string(max_bad_rate),
       "run terramill corpus verify, which names what is damaged, then build the corpus again"});
}

struct Loader::State {
  State(const std::filesystem::path& corpus, std::vector<Request> requests_, LoaderOptions options_,
        Allocator allocator_)
      : requests(std::move(requests_)),
        options(std::move(options_)),
        allocator(std::move(allocator_)),
        reader(corpus, requests, options),
        direct(reader.manifest().codec),
        prefetcher(reader, options, allocator) {
    for (const Conversion& conversion : reader.conversions()) bands.push_back(conversion.bands);
  }

  std::vector<Request> requests;
  LoaderOptions options;
  Allocator allocator;
  TileReader reader;
  Scratch direct;  // of load_tiles
  Prefetcher prefetcher;
  std::vector<std::vector<std::string>> bands;
  std::vector<Replacement> replacements;
  std::uint64_t positions = 0;
  double waited = 0;
};

Loader::Loader(const std::filesystem::path& corpus, std::vector<Request> requests,
               const LoaderOptions& options, Allocator allocator)
    : state_(std::make_unique<State>(corpus, std::move(requests), options, std::move(allocator))) {}
Loader::~Loader() = default;

const corpus::Manifest& Loader::manifest() const noexcept { return state_->reader.manifest(); }
const std::vector<Request>& Loader::requests() const noexcept { return state_->requests; }
const std::vector<std::vector<std::string>>& Loader::bands() const noexcept { return state_->bands; }
const std::vector<Replacement>& Loader::replacements() const noexcept { return state_->replacements; }
double Loader::waited() const noexcept { return state_->waited; }

std::size_t Loader::buffer_bytes(int micro_batch) const {
  const TileReader& reader = state_->reader;
  const BatchLayout layout(reader.conversions(), reader.crop_size(), static_cast<std::size_t>(micro_batch));
  return layout.bytes() * static_cast<std::size_t>(state_->options.prefetch + 1);
}

void Loader::start(Work work) {
  state_->replacements.clear();
  state_->positions = work.total > 0 ? work.total : work.positions.size();
  state_->prefetcher.start(std::move(work));
}

std::optional<MicroBatch> Loader::next() {
  const auto begin = std::chrono::steady_clock::now();
  std::optional<Loaded> loaded;
  {
    const PhaseTimer waits(Phase::kDataWait);
    const trace::Span span("wait for data", "data");
    loaded = state_->prefetcher.next();
  }
  beat();
  state_->waited += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (!loaded) return std::nullopt;
  for (Replacement& replaced : loaded->replaced) {
    log::warn("position {} of epoch {}: {}; a reserve tile stands in", replaced.position, replaced.epoch,
              replaced.reason);
    state_->replacements.push_back(std::move(replaced));
  }
  if (!loaded->replaced.empty()) {
    require_bad_rate(state_->replacements.size(), state_->positions, state_->options.max_bad_rate,
                     state_->replacements);
  }
  return std::move(loaded->batch);
}

MicroBatch Loader::load_tiles(std::span<const std::uint64_t> index_rows) {
  TileReader& reader = state_->reader;
  ShardCache& shards = reader.shards();
  const BatchLayout layout(reader.conversions(), reader.crop_size(), index_rows.size());
  MicroBatch batch =
      layout.make(BufferPool::create(layout.bytes(), state_->allocator)->take(), index_rows.size());
  const corpus::Schema& schema = manifest().schema;
  for (std::size_t i = 0; i < index_rows.size(); ++i) {
    const std::uint64_t index_row = index_rows[i];
    if (index_row >= shards.rows()) {
      throw UsageError("the index has no row " + std::to_string(index_row), {"load tiles", "index row", ""});
    }
    sampling::PlanEntry entry;
    entry.shard = shards.shard_of(index_row);
    entry.row = static_cast<std::uint32_t>(index_row - shards.first_row(entry.shard));
    entry.tile_key = shards.index().read(index_row, 1, corpus::kTileKey).tile_key.front();
    batch.positions[i] = index_row;
    batch.tile_keys[i] = entry.tile_key;
    batch.index_rows[i] = index_row;
    batch.windows[i] = {(schema.width - reader.crop_size()) / 2, (schema.height - reader.crop_size()) / 2};
    const auto result = reader.read(entry, layout.place(batch, i), state_->direct);
    if (!result) {
      throw IntegrityError(result.error().reason,
                           {"load tile", "index row " + std::to_string(index_row),
                            "run terramill corpus verify; build the corpus again where it finds damage"});
    }
  }
  return batch;
}

}  // namespace terramill::loader
