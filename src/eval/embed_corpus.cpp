#include "embed_writer.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/fault_points.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/log.hpp>
#include <terramill/core/progress.hpp>
#include <terramill/corpus/index.hpp>
#include <terramill/eval/embed.hpp>

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>

#include <torch/torch.h>

namespace terramill::eval {
namespace {

/// Index rows of the split, in order.
std::vector<std::uint64_t> choose_rows(const corpus::IndexReader& index, const std::string& split) {
  const std::vector<std::string> names = {"train", "validation", "test"};
  const auto wanted = std::ranges::find(names, split);
  if (wanted == names.end() && split != "all") {
    throw UsageError("there is no split \"" + split + "\"",
                     {"choose tiles", "split", "train, validation, test or all"});
  }
  const auto columns = index.read(0, index.rows(), corpus::kSplit);
  std::vector<std::uint64_t> rows;
  for (std::uint64_t row = 0; row < index.rows(); ++row) {
    if (split == "all" || columns.split[row] == wanted - names.begin()) rows.push_back(row);
  }
  if (rows.empty()) {
    throw UsageError("the corpus has no tile of split " + split, {"choose tiles", "split", ""});
  }
  return rows;
}

/// How the chosen tiles are cut into micro-batches, and these dealt to the ranks: one each in turn.
class Deal {
 public:
  Deal(std::vector<std::uint64_t> rows, int micro_batch, const mpi::Communicator& comm)
      : rows_(std::move(rows)),
        size_(static_cast<std::uint64_t>(micro_batch)),
        ranks_(static_cast<std::uint64_t>(comm.size())) {}

  std::uint64_t tiles() const { return rows_.size(); }
  std::uint64_t turns() const { return (batches() + ranks_ - 1) / ranks_; }
  /// Index rows of the micro-batch that `rank` computes in `turn`; empty when all are done.
  std::span<const std::uint64_t> rows(std::uint64_t turn, std::uint64_t rank) const {
    const std::uint64_t begin = std::min((turn * ranks_ + rank) * size_, tiles());
    return std::span(rows_).subspan(begin, std::min(size_, tiles() - begin));
  }

 private:
  std::uint64_t batches() const { return (tiles() + size_ - 1) / size_; }

  std::vector<std::uint64_t> rows_;
  std::uint64_t size_, ranks_;
};

loader::Work work_of(const Deal& deal, const corpus::IndexReader& index, int micro_batch, int rank) {
  loader::Work work;
  work.micro_batch = micro_batch;
  for (std::uint64_t turn = 0; turn < deal.turns(); ++turn) {
    fault_points::begin_unit(static_cast<std::int64_t>(turn) + 1);
    const auto rows = deal.rows(turn, static_cast<std::uint64_t>(rank));
    if (rows.empty()) continue;
    const auto columns =
        index.read(rows.front(), rows.back() - rows.front() + 1, corpus::kShardRow | corpus::kTileKey);
    for (const std::uint64_t row : rows) {
      const std::uint64_t i = row - rows.front();
      work.positions.push_back(row);
      work.entries.push_back({columns.tile_key[i], columns.shard[i], columns.row[i]});
    }
  }
  return work;
}

/// The features of a micro-batch [B, …], NaN for tiles that have nothing of what the model looks at.
at::Tensor compute(const FeatureModel& model, const loader::MicroBatch& batch, const std::string& pooling) {
  at::Tensor features = pooling == "dense"
                            ? model.dense(batch)
                            : model.features(batch, pooling == "cls" ? Pooling::kCls : Pooling::kMean);
  features = features.to(at::kFloat).contiguous();
  for (std::int64_t b = 0; b < batch.size(); ++b) {
    const auto sample = static_cast<std::size_t>(b);
    const bool sees = std::ranges::any_of(
        batch.blocks, [&](const loader::Block& block) { return block.present[sample] != 0; });
    if (!sees) features[b].fill_(std::numeric_limits<float>::quiet_NaN());
  }
  return features;
}

std::string bytes_of(const at::Tensor& tensor) {
  return {reinterpret_cast<const char*>(tensor.const_data_ptr<float>()),
          static_cast<std::size_t>(tensor.numel()) * sizeof(float)};
}

std::string resolve_pooling(const FeatureModel& model, const std::string& pooling) {
  if (pooling.empty()) return model.family() == "terrafm" ? "cls" : "mean";
  if (pooling != "cls" && pooling != "mean" && pooling != "dense") {
    throw UsageError("there is no pooling \"" + pooling + "\"",
                     {"write features", "pooling", "cls, mean or dense"});
  }
  return pooling;
}

/// What rank 0 does with the features: adds what the index knows and writes.
class Writer {
 public:
  Writer(const EmbedOptions& options, const FeatureModel& model, const corpus::IndexReader& index,
         const EmbedSummary& summary)
      : index_(index), manifest_(corpus::read_manifest(options.corpus)), edge_(model.image_size()) {
    FeatureFileHead head;
    head.rows = summary.tiles;
    head.shape = summary.shape;
    head.model = to_hex(model.weights_hash());
    head.labelled = !manifest_.label_names.empty();
    head.about = {{"format", "terramill features"},
                  {"format_version", 1},
                  {"model", head.model},
                  {"family", model.family()},
                  {"pooling", summary.pooling},
                  {"image_size", edge_},
                  {"patch_size", model.patch_size()},
                  {"corpus_content", to_hex(manifest_.content)},
                  {"split", options.split}};
    if (head.labelled) head.about["label_names"] = manifest_.label_names;
    file_ = open_feature_writer(options.output, head);
  }

  void append(std::span<const std::uint64_t> rows, const std::string& values) {
    FeatureRows out;
    out.values.resize(values.size() / sizeof(float));
    std::memcpy(out.values.data(), values.data(), values.size());
    const auto records = index_.read_records(rows.front(), rows.back() - rows.front() + 1);
    const corpus::Schema& schema = manifest_.schema;
    const int column = (schema.width - edge_) / 2, line = (schema.height - edge_) / 2;
    for (const std::uint64_t row : rows) {
      const corpus::TileRecord& record = records[row - rows.front()];
      const geo::Grid tile{schema.width, schema.height, record.transform, record.crs};
      out.records.push_back(record);
      out.windows.push_back(tile.window(column, line, edge_, edge_));
    }
    file_->append(out);
  }
  void finish() { file_->finish(); }

 private:
  const corpus::IndexReader& index_;
  corpus::Manifest manifest_;
  int edge_;
  std::unique_ptr<FeatureWriter> file_;
};

}  // namespace

EmbedSummary embed_corpus(const mpi::Communicator& comm, const FeatureModel& model,
                          const EmbedOptions& options) {
  const torch::NoGradGuard no_grad;
  EmbedSummary summary;
  summary.pooling = resolve_pooling(model, options.pooling);
  check_feature_path(options.output, summary.pooling == "dense" ? 3 : 1);
  if (options.micro_batch_size < 1 || options.intra_op_threads < 1) {
    throw UsageError("tiles at once and threads are at least 1", {"write features", "batch-size", ""});
  }
  at::set_num_threads(options.intra_op_threads);
  summary.shape = {model.width()};
  if (summary.pooling == "dense")
    summary.shape.insert(summary.shape.end(), 2, model.image_size() / model.patch_size());

  const corpus::IndexReader index(options.corpus / corpus::kIndexFile);
  const Deal deal(choose_rows(index, options.split), options.micro_batch_size, comm);
  summary.tiles = deal.tiles();
  loader::LoaderOptions loading;
  loading.threads = options.threads;
  loader::Loader loader(options.corpus, model.requests(), loader_options(model, loading));
  loader.start(work_of(deal, index, options.micro_batch_size, comm.rank()));

  std::optional<Writer> writer;
  if (comm.rank() == 0) writer.emplace(options, model, index, summary);
  Progress progress("embed", summary.tiles, "tiles");
  for (std::uint64_t turn = 0; turn < deal.turns(); ++turn) {
    std::string mine;
    if (const auto batch = loader.next()) {
      const at::Tensor features = compute(model, *batch, summary.pooling);
      summary.blind +=
          static_cast<std::uint64_t>(features.flatten(1).isnan().all(1).sum().item<std::int64_t>());
      mine = bytes_of(features);
    }
    const std::vector<std::string> all = comm.gather(mine);
    for (std::uint64_t rank = 0; rank < all.size(); ++rank) {
      const auto rows = deal.rows(turn, rank);
      if (rows.empty()) continue;
      writer->append(rows, all[rank]);
      progress.add(rows.size());
    }
  }
  if (writer) writer->finish();
  summary.blind = comm.sum(summary.blind);
  if (summary.blind > 0)
    log::warn("{} of {} tiles have nothing of what the model looks at: their features are NaN", summary.blind,
              summary.tiles);
  comm.barrier();
  return summary;
}

}  // namespace terramill::eval
