#include <terramill/core/error.hpp>
#include <terramill/core/fault_points.hpp>
#include <terramill/core/log.hpp>
#include <terramill/core/progress.hpp>
#include <terramill/eval/extraction.hpp>
#include <terramill/mpi/meeting.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
#include <span>

#include <torch/torch.h>

namespace terramill::eval {

namespace {

/// Rows [B, d] of a micro-batch.
using Compute = std::function<at::Tensor(const loader::MicroBatch&)>;

/// Rows of all tiles, [N, d], gathered from the ranks. T is the rows' type.
template <typename T>
at::Tensor extract(const mpi::Communicator& comm, const FeatureModel& model,
                   const std::filesystem::path& corpus, const std::vector<sampling::PlanEntry>& tiles,
                   const ExtractionOptions& options, const std::string& title, const Compute& compute) {
  if (options.batch_size < 1) {
    throw UsageError("the batch size must be at least 1", {"compute features", "batch-size", ""});
  }
  const auto start = std::chrono::steady_clock::now();
  std::vector<T> mine;
  const auto compute_share = [&] {
    loader::LoaderOptions reading;
    reading.threads = options.threads;
    reading.max_bad_rate = 0;
    loader::Loader loader(corpus, model.requests(), loader_options(model, reading));
    loader::Work work;
    work.micro_batch = options.batch_size;
    const auto size = static_cast<std::size_t>(options.batch_size);
    const std::size_t batches = (tiles.size() + size - 1) / size;
    const auto rank = static_cast<std::size_t>(comm.rank()), ranks = static_cast<std::size_t>(comm.size());
    for (std::size_t i = batches * rank / ranks * size;
         i < std::min(tiles.size(), batches * (rank + 1) / ranks * size); ++i) {
      work.positions.push_back(i);
      work.entries.push_back(tiles[i]);
    }
    if (work.positions.empty()) return;
    Progress progress(title, work.positions.size(), "tiles");
    loader.start(std::move(work));
    for (std::int64_t taken = 1; const auto batch = loader.next(); ++taken) {
      fault_points::begin_unit(taken);
      const at::Tensor rows = compute(*batch).contiguous();
      mine.insert(mine.end(), rows.const_data_ptr<T>(), rows.const_data_ptr<T>() + rows.numel());
      progress.add(static_cast<std::uint64_t>(batch->size()));
    }
  };
  mpi::all_or_none(comm, [&] { mpi::work_and_meet(comm, compute_share); });
  std::vector<T> all = comm.all_gather(std::span<const T>(mine));
  const double seconds =
      comm.max(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  const auto count = static_cast<std::int64_t>(tiles.size());
  log::info("{}: {} tiles, {:.1f} a second", title, count, static_cast<double>(count) / seconds);
  const auto width = static_cast<std::int64_t>(all.size()) / count;
  return at::from_blob(all.data(), {count, width}, at::CppTypeToScalarType<T>::value).clone();
}

/// Mean and standard deviation over the valid pixels of each band of a block [B, C, h, w]: [B, 2 C].
at::Tensor band_moments(const loader::Block& block) {
  const at::Tensor values =
      at::from_blob(block.floats.data(), block.shape, at::kFloat).to(at::kDouble).flatten(2);
  const at::Tensor mean = values.nanmean(2);
  const at::Tensor deviation = (values - mean.unsqueeze(2)).square().nanmean(2).sqrt();
  return at::cat({mean, deviation}, 1);
}

}  // namespace

at::Tensor extract_features(const mpi::Communicator& comm, const FeatureModel& model, Pooling pooling,
                            const std::filesystem::path& corpus,
                            const std::vector<sampling::PlanEntry>& tiles, const ExtractionOptions& options,
                            const std::string& title) {
  return extract<float>(comm, model, corpus, tiles, options, title,
                        [&](const loader::MicroBatch& batch) { return model.features(batch, pooling); });
}

at::Tensor extract_band_statistics(const mpi::Communicator& comm, const FeatureModel& model,
                                   const std::filesystem::path& corpus,
                                   const std::vector<sampling::PlanEntry>& tiles,
                                   const ExtractionOptions& options) {
  return extract<double>(comm, model, corpus, tiles, options, "band statistics",
                         [](const loader::MicroBatch& batch) {
                           std::vector<at::Tensor> parts;
                           for (const loader::Block& block : batch.blocks)
                             parts.push_back(band_moments(block));
                           return at::cat(parts, 1);
                         });
}

at::Tensor z_score(const at::Tensor& columns, const std::vector<std::int64_t>& known) {
  const at::Tensor rows = columns.index_select(0, at::tensor(known, at::kLong));
  const at::Tensor mean = rows.nanmean(0, true);
  const at::Tensor deviation = (rows - mean).square().nanmean(0, true).sqrt();
  return at::nan_to_num((columns - mean) / at::where(deviation > 0, deviation, 1.0), 0.0, 0.0, 0.0);
}

}  // namespace terramill::eval
