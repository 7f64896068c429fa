#include <terramill/core/error.hpp>
#include <terramill/core/hash.hpp>
#include <terramill/core/log.hpp>
#include <terramill/core/progress.hpp>
#include <terramill/eval/bootstrap.hpp>
#include <terramill/eval/metrics.hpp>
#include <terramill/eval/protocol.hpp>
#include <terramill/mpi/meeting.hpp>

#include <algorithm>
#include <array>

#include <torch/torch.h>

namespace terramill::eval {

namespace {

using corpus::Split;

/// Features of all tiles that one kind of model gives: one set, or one per seed.
struct Contender {
  std::string name;
  std::vector<at::Tensor> features;
  std::vector<std::string> weights;  ///< hashes, one per set; empty without weights

  const at::Tensor& of(std::size_t seed) const { return features[std::min(seed, features.size() - 1)]; }
};

/// Answers of a contender over its runs, and the learning rates that probes chose.
struct Outcome {
  Method runs;
  std::vector<double> learning_rates;
};

void demand(bool holds, const std::string& option, const std::string& rule) {
  if (!holds) throw UsageError(option + " must be " + rule, {"check the evaluation", option, ""});
}

void validate(const EvaluationOptions& o) {
  demand(o.k >= 1, "k", "at least 1");
  demand(o.knn_temperature > 0, "knn-temperature", "positive");
  demand(o.seeds >= 1, "seeds", "at least 1");
  demand(o.bootstrap >= 0, "bootstrap", "0 or more");
  demand(o.intra_op_threads >= 1, "intra-op-threads", "at least 1");
}

Pooling pooling_of(const std::string& name, const std::string& family) {
  if (name == "cls") return Pooling::kCls;
  if (name == "mean") return Pooling::kMean;
  return family == "terrafm" ? Pooling::kCls : Pooling::kMean;
}

/// The rows of a table, by position.
at::Tensor rows_of(const at::Tensor& table, const std::vector<std::int64_t>& positions) {
  return table.index_select(0, at::tensor(positions, at::kLong));
}

/// A whole evaluation: labels and features, then answers.
class Evaluation {
 public:
  Evaluation(const mpi::Communicator& comm, const EvaluationOptions& options, Classifier classifier)
      : comm_(comm),
        options_(options),
        classifier_(classifier),
        manifest_(corpus::read_manifest(options.corpus)),
        tiles_(read_labels(options.corpus, manifest_, options.labels)),
        train_(tiles_.positions(Split::kTrain)),
        validation_(tiles_.positions(Split::kValidation)),
        test_(tiles_.positions(Split::kTest)) {
    if (classifier == Classifier::kLinear) {
      demand(!validation_.empty(), "validation-share",
             "such that validation tiles are left: they choose the learning rate");
    }
    log::info("{} labelled tiles of {}: {} training, {} validation, {} test; {} classes; split {}{}",
              tiles_.size(), manifest_.tiles, train_.size(), validation_.size(), test_.size(),
              tiles_.class_names.size(), to_hex(tiles_.split_hash),
              tiles_.hashed_test ? ", test tiles by hash" : "");
  }

  Json run() {
    gather_features();
    std::vector<Outcome> outcomes = classifier_ == Classifier::kKnn ? classify_by_neighbours() : probe();
    std::vector<Method> methods;
    for (const Outcome& outcome : outcomes) methods.push_back(outcome.runs);
    const Bootstrap bootstrap(methods, options_.bootstrap, static_cast<std::uint64_t>(options_.seed));
    return describe(outcomes, bootstrap);
  }

 private:
  Contender extract(bool untrained, int seeds);
  void gather_features();
  std::vector<Outcome> classify_by_neighbours() const;
  std::vector<Outcome> probe() const;
  ProbeResult probe(const at::Tensor& features, std::uint64_t seed) const;
  Answers answers_of(const at::Tensor& scores, double threshold, std::int64_t top) const;
  Json describe(const std::vector<Outcome>& outcomes, const Bootstrap& bootstrap) const;
  Json describe_protocol() const;

  std::uint64_t seed(int run) const {
    return static_cast<std::uint64_t>(options_.seed) + static_cast<std::uint64_t>(run);
  }

  const mpi::Communicator& comm_;
  const EvaluationOptions& options_;
  Classifier classifier_;
  corpus::Manifest manifest_;
  LabelledTiles tiles_;
  std::vector<std::int64_t> train_, validation_, test_;
  std::vector<Contender> contenders_;  ///< pretrained, untrained, band_statistics
  Json about_model_;
};

Contender Evaluation::extract(bool untrained, int seeds) {
  Contender contender{untrained ? "untrained" : "pretrained", {}, {}};
  for (int run = 0; run < seeds; ++run) {
    FeatureModelOptions opening = options_.model;
    opening.checkpoint = options_.checkpoint;
    opening.untrained = untrained;
    opening.seed = seed(run);
    const auto model = open_feature_model(opening, options_.corpus, comm_);
    const Pooling pooling = pooling_of(options_.pooling, model->family());
    contender.features.push_back(extract_features(comm_, *model, pooling, options_.corpus, tiles_.entries,
                                                  options_.extraction, contender.name + " features"));
    contender.weights.push_back(to_hex(model->weights_hash()));
    if (untrained) continue;
    Json inputs = Json::object();
    for (const loader::Request& request : model->requests()) inputs[request.modality] = request.bands;
    about_model_ = {{"family", model->family()},
                    {"features", pooling == Pooling::kCls ? "cls" : "mean"},
                    {"width", model->width()},
                    {"window", model->image_size()},
                    {"batch_size", options_.extraction.batch_size},
                    {"input", inputs},
                    {"weights", contender.weights.front()}};
    Contender statistics{"band_statistics", {}, {}};
    const at::Tensor raw =
        extract_band_statistics(comm_, *model, options_.corpus, tiles_.entries, options_.extraction);
    statistics.features.push_back(z_score(raw, train_));
    contenders_.push_back(std::move(statistics));
  }
  return contender;
}

void Evaluation::gather_features() {
  contenders_.reserve(3);
  Contender pretrained = extract(false, 1);
  Contender untrained = extract(true, options_.seeds);
  contenders_.insert(contenders_.begin(), std::move(untrained));
  contenders_.insert(contenders_.begin(), std::move(pretrained));
}

Answers Evaluation::answers_of(const at::Tensor& scores, double threshold, std::int64_t top) const {
  const at::Tensor truth = tiles_.membership(test_);
  return tiles_.multi_label ? multi_label_answers(scores, truth, threshold)
                            : single_label_answers(scores, truth, top);
}

std::vector<Outcome> Evaluation::classify_by_neighbours() const {
  std::vector<Outcome> outcomes;
  const at::Tensor membership = tiles_.membership(train_);
  for (const Contender& contender : contenders_) {
    Outcome& outcome = outcomes.emplace_back();
    for (const at::Tensor& features : contender.features) {
      const at::Tensor votes =
          train::knn_votes(comm_, rows_of(features, train_), membership, rows_of(features, test_),
                           {options_.k, options_.knn_temperature});
      outcome.runs.push_back(answers_of(votes, 0.5, std::min<std::int64_t>(5, options_.k)));
    }
    log::info("{}: {} test tiles classified by {} of {} training tiles", contender.name, test_.size(),
              std::min(options_.k, static_cast<std::int64_t>(train_.size())), train_.size());
  }
  return outcomes;
}

ProbeResult Evaluation::probe(const at::Tensor& features, std::uint64_t seed) const {
  return linear_probe({rows_of(features, train_), tiles_.membership(train_)},
                      {rows_of(features, validation_), tiles_.membership(validation_)},
                      rows_of(features, test_), tiles_.multi_label, options_.probe, seed);
}

std::vector<Outcome> Evaluation::probe() const {
  // One job per contender and seed, computed whole by one rank.
  const auto seeds = static_cast<std::size_t>(options_.seeds);
  const std::size_t jobs = contenders_.size() * seeds;
  const auto classes = static_cast<std::int64_t>(tiles_.class_names.size());
  std::vector<std::vector<double>> results(jobs);  // the scores, then the learning rate
  const auto owner = [&](std::size_t job) {
    return static_cast<int>(job % static_cast<std::size_t>(comm_.size()));
  };
  const auto probe_share = [&] {
    const auto ranks = static_cast<std::size_t>(comm_.size());
    Progress progress("linear probes", (jobs + ranks - 1) / ranks, "probes");  // of rank 0, who has most
    for (std::size_t job = 0; job < jobs; ++job) {
      if (owner(job) != comm_.rank()) continue;
      const Contender& contender = contenders_[job / seeds];
      const ProbeResult result = probe(contender.of(job % seeds), seed(static_cast<int>(job % seeds)));
      const double* scores = result.scores.const_data_ptr<double>();
      results[job].assign(scores, scores + result.scores.numel());
      results[job].push_back(result.learning_rate);
      progress.add();
    }
  };
  mpi::all_or_none(comm_, [&] { mpi::work_and_meet(comm_, probe_share); });
  std::vector<Outcome> outcomes(contenders_.size());
  for (std::size_t job = 0; job < jobs; ++job) {
    results[job].resize(test_.size() * static_cast<std::size_t>(classes) + 1);
    comm_.broadcast(std::as_writable_bytes(std::span(results[job])), owner(job));
    const at::Tensor scores =
        at::from_blob(results[job].data(), {static_cast<std::int64_t>(test_.size()), classes}, at::kDouble);
    Outcome& outcome = outcomes[job / seeds];
    outcome.runs.push_back(answers_of(scores, 0, 5));
    outcome.learning_rates.push_back(results[job].back());
    log::info("linear probe on {}, seed {}: validation chose the learning rate {}",
              contenders_[job / seeds].name, seed(static_cast<int>(job % seeds)), results[job].back());
  }
  return outcomes;
}

Json Evaluation::describe_protocol() const {
  Json protocol;
  if (classifier_ == Classifier::kKnn) {
    protocol = {{"classifier", "knn"}, {"k", options_.k}, {"temperature", options_.knn_temperature}};
  } else {
    const ProbeOptions& p = options_.probe;
    protocol = {{"classifier", "linear"},
                {"epochs", p.epochs},
                {"batch_size", p.batch_size},
                {"warmup_share", p.warmup_share},
                {"min_lr", p.min_lr},
                {"weight_decay", p.weight_decay},
                {"class_weights", p.class_weights},
                {"learning_rates", p.learning_rates}};
  }
  protocol["seed"] = options_.seed;
  protocol["seeds"] = options_.seeds;
  protocol["bootstrap"] = options_.bootstrap;
  return protocol;
}

Json Evaluation::describe(const std::vector<Outcome>& outcomes, const Bootstrap& bootstrap) const {
  const std::vector<std::string>& names = metric_names(tiles_.multi_label);
  const auto estimates = [&](const std::vector<Estimate>& values) {
    Json table = Json::object();
    for (std::size_t m = 0; m < names.size(); ++m) {
      table[names[m]] = {{"mean", values[m].mean}, {"interval", {values[m].low, values[m].high}}};
    }
    return table;
  };
  Json results = Json::object(), differences = Json::object();
  for (std::size_t c = 0; c < contenders_.size(); ++c) {
    Json entry = {{"metrics", estimates(bootstrap.of(c))}};
    Json per_run = Json::array();
    for (const Answers& answers : outcomes[c].runs) {
      Json values = Json::object();
      const std::vector<double> all = metrics(answers);
      for (std::size_t m = 0; m < names.size(); ++m) values[names[m]] = all[m];
      per_run.push_back(values);
    }
    entry["runs"] = per_run;
    if (!contenders_[c].weights.empty()) entry["weights"] = contenders_[c].weights;
    if (!outcomes[c].learning_rates.empty()) entry["learning_rates"] = outcomes[c].learning_rates;
    if (!tiles_.multi_label) entry["confusion"] = confusion(outcomes[c].runs.front());
    results[contenders_[c].name] = entry;
    if (c > 0) {
      differences[contenders_[0].name + " - " + contenders_[c].name] = estimates(bootstrap.difference(0, c));
    }
  }
  return {{"protocol", describe_protocol()},
          {"model", about_model_},
          {"corpus", to_hex(manifest_.content)},
          {"label", options_.labels.label},
          {"multi_label", tiles_.multi_label},
          {"classes", tiles_.class_names},
          {"split",
           {{"hash", to_hex(tiles_.split_hash)},
            {"test", tiles_.hashed_test ? "hashed" : "corpus"},
            {"validation", tiles_.hashed_validation ? "hashed" : "corpus"},
            {"split_seed", options_.labels.split_seed},
            {"training_tiles", train_.size()},
            {"validation_tiles", validation_.size()},
            {"test_tiles", test_.size()}}},
          {"results", results},
          {"differences", differences}};
}

}  // namespace

Json evaluate(const mpi::Communicator& comm, const EvaluationOptions& options, Classifier classifier) {
  validate(options);
  at::set_num_threads(options.intra_op_threads);
  return Evaluation(comm, options, classifier).run();
}

}  // namespace terramill::eval
