#include "unit/loader/small_corpus.hpp"

#include <terramill/loader/loader.hpp>
#include <terramill/mpi/communicator.hpp>
#include <terramill/sampling/plan.hpp>

#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

namespace terramill::loader {
namespace {

constexpr std::uint64_t kSamples = 3, kMicroBatches = 6;  // of a global batch

/// What replica `comm.rank()` of `comm.size()` is given in an epoch: a hash per position of all that its
/// sample holds.
std::vector<std::uint64_t> epoch_hashes(const mpi::Communicator& comm, const SmallCorpus& corpus,
                                        std::vector<std::uint64_t>& positions) {
  sampling::SamplingOptions sampling_options;
  sampling_options.strategy = "landcover";
  sampling_options.tiles = 72;
  sampling_options.seed = 3;
  const auto plan = sampling::plan_epoch(comm, corpus.path(), sampling_options, 1);
  Work work;
  work.seed = 3;
  work.epoch = 1;
  work.micro_batch = kSamples;
  const auto replicas = static_cast<std::uint64_t>(comm.size()),
             replica = static_cast<std::uint64_t>(comm.rank());
  for (std::uint64_t batch = 0; batch < 72 / (kSamples * kMicroBatches); ++batch) {
    const std::uint64_t begin = replica * kMicroBatches / replicas,
                        end = (replica + 1) * kMicroBatches / replicas;
    for (std::uint64_t i = begin * kSamples; i < end * kSamples; ++i) {
      work.positions.push_back(batch * kSamples * kMicroBatches + i);
    }
  }
  positions = work.positions;
  work.entries = sampling::fetch(comm, plan, positions);
  work.reserve = sampling::fetch_reserve(comm, plan);

  LoaderOptions options;
  options.crop_size = 8;
  options.max_bad_rate = 1;
  options.threads = 1 + comm.rank();
  Loader loader(corpus.path(), {{"sentinel2", {}, Form::kStored}, {"aster", {}, Form::kNormalised}}, options);
  loader.start(work);
  std::vector<std::uint64_t> hashes;
  while (const auto batch = loader.next()) {
    for (std::size_t i = 0; i < batch->positions.size(); ++i) {
      Xxh3 hash;
      hash.update_u64(batch->tile_keys[i]);
      for (const Block& block : batch->blocks) {
        const std::size_t elements = block.floats.size() / batch->positions.size();
        hash.update(std::as_bytes(block.floats.subspan(i * elements, elements)));
      }
      hashes.push_back(hash.digest());
    }
  }
  return hashes;
}

TEST(Replicas, GetTheSameSamplesAtEveryPositionHoweverManyThereAre) {
  const auto comm = mpi::Communicator::world();
  const SmallCorpus corpus(60);  // each rank its own copy
  for (const std::uint64_t tile : {3u, 17u, 40u}) corpus.flip(tile, "sentinel2");
  std::vector<std::uint64_t> all_positions, positions;
  const auto reference = epoch_hashes(mpi::Communicator::self(), corpus, all_positions);
  ASSERT_EQ(reference.size(), 72u);
  const auto own = epoch_hashes(comm, corpus, positions);
  ASSERT_EQ(own.size(), positions.size());
  for (std::size_t i = 0; i < own.size(); ++i) EXPECT_EQ(own[i], reference[positions[i]]);
}

}  // namespace
}  // namespace terramill::loader
