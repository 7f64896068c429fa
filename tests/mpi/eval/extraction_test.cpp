#include "unit/loader/small_corpus.hpp"

#include <terramill/core/activity.hpp>
#include <terramill/eval/extraction.hpp>
#include <terramill/fault/watchdog.hpp>

#include <chrono>
#include <thread>

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace terramill::eval {
namespace {

/// One feature per tile, 3. Where it is slow, a batch takes some seconds, in which it gets on.
class SlowModel final : public FeatureModel {
 public:
  SlowModel(bool slow, double seconds) : seconds_(slow ? seconds : 0) {}

  const std::vector<loader::Request>& requests() const override { return requests_; }
  const corpus::StatisticsTable& statistics() const override { return statistics_; }
  int image_size() const override { return 8; }
  int patch_size() const override { return 8; }
  std::int64_t width() const override { return 1; }
  std::string family() const override { return "invented"; }
  std::uint64_t weights_hash() const override { return 0; }
  at::Tensor features(const loader::MicroBatch& batch, Pooling) const override {
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds_);
    for (; std::chrono::steady_clock::now() < end; std::this_thread::sleep_for(std::chrono::milliseconds(10)))
      beat();
    return at::full({batch.size(), 1}, 3, at::kFloat);
  }
  at::Tensor dense(const loader::MicroBatch&) const override { return {}; }
  at::Tensor attention(const loader::MicroBatch&) const override { return {}; }

 private:
  double seconds_;
  std::vector<loader::Request> requests_{{"sentinel2", {}, loader::Form::kNormalised}};
  corpus::StatisticsTable statistics_;
};

TEST(Extraction, RanksThatAreDoneAreNotHungWhileAnotherComputesForLong) {
  constexpr double kLimit = 3, kLong = 4;  // seconds
  const mpi::Communicator world = mpi::Communicator::world();
  const loader::SmallCorpus corpus(6);
  const SlowModel model(world.rank() == world.size() - 1, world.size() == 1 ? 0 : kLong);
  ExtractionOptions options;
  options.batch_size = 3;
  options.threads = 1;
  const fault::Watchdog watchdog(world, kLimit, "test", {});
  const at::Tensor rows = extract_features(world, model, Pooling::kMean, corpus.path(), corpus.entries(0, 6),
                                           options, "features");
  EXPECT_TRUE(rows.equal(at::full({6, 1}, 3, at::kFloat)));
}

}  // namespace
}  // namespace terramill::eval
