#include "sweep.hpp"

#include <terramill/core/error.hpp>
#include <terramill/corpus/manifest.hpp>

#include <charconv>
#include <cstdint>

namespace terramill::cli {

namespace {

void refuse(const std::string& option, const std::string& what, const std::string& advice = "") {
  throw UsageError("option " + option + ": " + what, {"plan the sweep", option, advice});
}

std::vector<int> counts(const std::string& option, const std::string& text, int otherwise) {
  std::vector<int> values;
  for (const std::string& word : split_list(text)) {
    int value = 0;
    const auto read = std::from_chars(word.data(), word.data() + word.size(), value);
    if (read.ec != std::errc() || read.ptr != word.data() + word.size() || value < 1) {
      refuse(option, "\"" + word + "\" is no whole number above 0", "give a list such as 1,2,4");
    }
    values.push_back(value);
  }
  return values.empty() ? std::vector<int>{otherwise} : values;
}

std::vector<bool> switches(const std::string& option, const std::string& text, bool otherwise) {
  std::vector<bool> values;
  for (const std::string& word : split_list(text)) {
    if (word != "on" && word != "off") refuse(option, "\"" + word + "\" is neither on nor off");
    values.push_back(word == "on");
  }
  return values.empty() ? std::vector<bool>{otherwise} : values;
}

/// Sets the micro-batches of a trial, or why there are none.
void divide(Trial& trial, const SweepOptions& options, const train::TrainOptions& train, int ranks) {
  if (ranks % trial.tp != 0) {
    trial.refusal = "tp does not divide the " + std::to_string(ranks) + " ranks";
    return;
  }
  const int replicas = ranks / trial.tp;
  const std::int64_t tiles = std::int64_t{train.micro_batch_size} * train.micro_batches;
  if (trial.weak) {
    trial.micro_batches = options.weak_micro_batches * replicas;
  } else if (tiles % trial.micro_batch_size != 0) {
    trial.refusal = "the global batch of " + std::to_string(tiles) + " tiles is no multiple of it";
  } else {
    trial.micro_batches = static_cast<int>(tiles / trial.micro_batch_size);
  }
  if (trial.refusal.empty() && replicas > trial.micro_batches) {
    trial.refusal = std::to_string(replicas) + " replicas cannot share " +
                    std::to_string(trial.micro_batches) + " micro-batches";
  }
}

}  // namespace

void add_options(OptionTable& table, SweepOptions& o) {
  table.add("bench.corpora", &o.corpora, "further corpora to measure with, say of other codecs",
            "comma-separated");
  table.add(
      "bench.scaling", &o.scaling,
      "strong: the configuration's global batch for any number of ranks; weak: as many micro-batches for "
      "each replica",
      "", {"strong", "weak", "both"});
  table.add("bench.weak_micro_batches", &o.weak_micro_batches, "micro-batches of a replica in weak scaling");
  table.add("bench.tp", &o.tp, "tensor-parallel ranks; empty: train.tp", "comma-separated");
  table.add("bench.zero", &o.zero, "off, on: ZeRO-1; empty: train.zero", "comma-separated");
  table.add("bench.micro_batch_size", &o.micro_batch_size, "tiles; empty: train.micro_batch_size",
            "comma-separated");
  table.add("bench.repeat", &o.repeat, "measurements of each point, interleaved over the points");
  table.add("bench.warmup", &o.warmup, "steps before the measured ones", "steps");
  table.add("bench.steps", &o.steps, "measured steps", "steps");
  table.add("bench.name", &o.name, "the configuration's name in the points; empty: that of its file");
}

void validate(const SweepOptions& o) {
  if (o.weak_micro_batches < 1) refuse("bench.weak_micro_batches", "must be at least 1");
  if (o.repeat < 1) refuse("bench.repeat", "must be at least 1");
  if (o.warmup < 0) refuse("bench.warmup", "must be 0 or more");
  if (o.steps < 1) refuse("bench.steps", "must be at least 1");
}

std::string Trial::text() const {
  return std::string(weak ? "weak" : "strong") + ", tp " + std::to_string(tp) + ", zero " +
         (zero ? "on" : "off") + ", " +
         (micro_batches > 0 ? std::to_string(micro_batches) + " micro-batches" : "micro-batches") + " of " +
         std::to_string(micro_batch_size) + " tiles, " + codec;
}

std::vector<Trial> plan_sweep(const SweepOptions& options, const train::PretrainConfig& config, int ranks) {
  std::vector<std::string> corpora{config.corpus};
  for (const std::string& corpus : split_list(options.corpora)) corpora.push_back(corpus);
  std::vector<bool> weak;
  if (options.scaling != "weak") weak.push_back(false);
  if (options.scaling != "strong") weak.push_back(true);

  std::vector<Trial> trials;
  for (const std::string& corpus : corpora) {
    const std::string codec(corpus::name_of(corpus::read_manifest(corpus).codec));
    for (const bool is_weak : weak) {
      for (const int tp : counts("bench.tp", options.tp, config.train.tp)) {
        for (const bool zero : switches("bench.zero", options.zero, config.train.zero)) {
          for (const int size :
               counts("bench.micro_batch_size", options.micro_batch_size, config.train.micro_batch_size)) {
            Trial trial{.corpus = corpus,
                        .codec = codec,
                        .weak = is_weak,
                        .zero = zero,
                        .tp = tp,
                        .micro_batch_size = size};
            divide(trial, options, config.train, ranks);
            trials.push_back(trial);
          }
        }
      }
    }
  }
  return trials;
}

train::PretrainConfig config_of(const Trial& trial, train::PretrainConfig config) {
  config.corpus = trial.corpus;
  config.train.tp = trial.tp;
  config.train.zero = trial.zero;
  config.train.micro_batch_size = trial.micro_batch_size;
  config.train.micro_batches = trial.micro_batches;
  return config;
}

}  // namespace terramill::cli
