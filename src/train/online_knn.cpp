#include "online_knn.hpp"

#include <terramill/corpus/index.hpp>
#include <terramill/sampling/strata.hpp>
#include <terramill/train/knn.hpp>

#include <algorithm>
#include <numeric>
#include <span>

#include <torch/torch.h>

namespace terramill::train {

OnlineKnn::OnlineKnn(const parallel::Mesh& mesh, const PretrainConfig& config, Task& task)
    : mesh_(mesh),
      task_(task),
      loader_(config.corpus, task.requests(), centred(config.loader, task.window())),
      neighbours_(hold_out(mesh, config, "train", config.train.knn_tiles)),
      queries_(hold_out(mesh, config, "validation", config.train.knn_tiles)),
      max_bad_rate_(config.loader.max_bad_rate) {
  const corpus::IndexReader index(std::filesystem::path(config.corpus) / "index.h5");
  const auto columns = index.read(0, index.rows(), corpus::kLabel | corpus::kLandCover);
  const bool labelled =
      std::any_of(columns.label.begin(), columns.label.end(), [](std::int32_t label) { return label >= 0; });
  target_ = labelled ? "label" : "land cover";
  for (std::uint64_t row = 0; row < index.rows(); ++row) {
    const auto histogram =
        std::span(columns.land_cover).subspan(row * corpus::kLandCoverClasses, corpus::kLandCoverClasses);
    const bool covered = std::reduce(histogram.begin(), histogram.end()) > 0;
    classes_.push_back(labelled ? columns.label[row] : covered ? sampling::dominant_class(histogram) : -1);
  }
  possible_ = neighbours_.tiles > 0 && queries_.tiles > 0 &&
              std::any_of(classes_.begin(), classes_.end(), [](std::int64_t c) { return c >= 0; });
}

OnlineKnn::Known OnlineKnn::compute(const HeldOut& held) {
  loader_.start(held.work);
  std::vector<float> values;
  std::vector<std::int64_t> classes;
  while (auto loaded = loader_.next()) {
    const at::Tensor features = task_.features(*loaded).to(at::kCPU, at::kFloat).contiguous();
    values.insert(values.end(), features.const_data_ptr<float>(),
                  features.const_data_ptr<float>() + features.numel());
    for (const std::uint64_t row : loaded->index_rows) classes.push_back(classes_.at(row));
  }
  const mpi::Communicator& comm = mesh_.dp_comm();
  require_bad_rate(comm, loader_, held, max_bad_rate_);
  const std::vector<float> all = comm.all_gather(std::span<const float>(values));
  const std::vector<std::int64_t> labels = comm.all_gather(std::span<const std::int64_t>(classes));
  const auto rows = static_cast<std::int64_t>(labels.size());
  return {at::tensor(at::ArrayRef<float>(all)).view({rows, -1}),
          at::tensor(at::ArrayRef<std::int64_t>(labels))};
}

double OnlineKnn::run() {
  const Known known = compute(neighbours_), asked = compute(queries_);
  const at::Tensor counts = asked.classes.ge(0);
  return online_knn(mesh_.dp_comm(), known.features, known.classes, asked.features.index({counts}),
                    asked.classes.masked_select(counts));
}

}  // namespace terramill::train
