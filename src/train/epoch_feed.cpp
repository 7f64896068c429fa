#include <terramill/core/error.hpp>
#include <terramill/train/epoch_feed.hpp>

namespace terramill::train {

EpochFeed::EpochFeed(const mpi::Communicator& comm, const std::filesystem::path& corpus,
                     loader::Loader& loader, sampling::SamplingOptions sampling,
                     const std::filesystem::path& plan_file, BatchShape shape, std::uint64_t seed)
    : comm_(comm),
      corpus_(corpus),
      plan_file_(plan_file),
      loader_(loader),
      sampling_(std::move(sampling)),
      shape_(shape),
      seed_(seed) {
  first_ = plan(0);
  steps_per_epoch_ = first_->tiles / shape_.global_batch();
  if (steps_per_epoch_ == 0) {
    throw UsageError("an epoch of " + std::to_string(first_->tiles) +
                         " tiles does not fill one global batch of " + std::to_string(shape_.global_batch()),
                     {"plan an epoch", corpus.string(),
                      "lower train.micro_batch_size or train.micro_batches, or raise sampling.tiles, which "
                      "may repeat tiles"});
  }
}

sampling::Plan EpochFeed::plan(std::uint64_t epoch) const {
  if (plan_file_.empty()) return sampling::plan_epoch(comm_, corpus_, sampling_, epoch);
  sampling::Plan plan = sampling::read_plan(comm_, plan_file_);
  if (plan.content != loader_.manifest().content) {
    throw UsageError("the plan was made for another corpus",
                     {"replay a plan", plan_file_.string(), "sample " + corpus_.string() + " again"});
  }
  return plan;
}

void EpochFeed::start(std::uint64_t epoch, std::uint64_t first_step,
                      const std::vector<loader::Replacement>& replaced) {
  sampling::Plan plan =
      first_ && (first_->epoch == epoch || !plan_file_.empty()) ? *std::move(first_) : this->plan(epoch);
  first_.reset();

  loader::Work work;
  work.seed = seed_;
  work.epoch = epoch;
  work.micro_batch = shape_.micro_batch_size;
  const parallel::MicroBatchRange range =
      parallel::micro_batch_range(comm_.rank(), comm_.size(), shape_.micro_batches);
  const auto size = static_cast<std::uint64_t>(shape_.micro_batch_size);
  for (std::uint64_t step = first_step; step < steps_per_epoch_; ++step) {
    const std::uint64_t base = step * shape_.global_batch();
    for (std::uint64_t p = base + static_cast<std::uint64_t>(range.begin) * size;
         p < base + static_cast<std::uint64_t>(range.end) * size; ++p) {
      work.positions.push_back(p);
    }
  }
  work.total = steps_per_epoch_ * shape_.global_batch();
  work.entries = sampling::fetch(comm_, plan, work.positions);
  work.reserve = sampling::fetch_reserve(comm_, plan);
  work.replaced = replaced;
  loader_.start(std::move(work));
}

loader::MicroBatch EpochFeed::next() {
  auto batch = loader_.next();
  if (!batch)
    throw Error("the epoch has no more micro-batches", {"load training data", corpus_.string(), ""});
  return *std::move(batch);
}

}  // namespace terramill::train
