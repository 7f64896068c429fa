#include "terrafm_vectors.hpp"

#include <terramill/parallel/adamw.hpp>
#include <terramill/train/dino_trainer.hpp>
#include <terramill/train/schedule.hpp>

#include <string>
#include <vector>

#include <torch/torch.h>

namespace terramill::parity {
namespace {

using model::Sensor;

model::DinoHeadConfig head_config(const Json& config, bool norm_last_layer) {
  return {config.at("encoder").at("embed_dim").get<std::int64_t>(),
          config.at("hidden_dim").get<std::int64_t>(), config.at("bottleneck_dim").get<std::int64_t>(),
          config.at("out_dim").get<std::int64_t>(), norm_last_layer};
}

/// Copies init/* of the vectors into the student, and the student into the teacher. Parameters that the
/// vectors leave out stay as they are.
void load_initial(train::DinoTrainer& trainer, const Vectors& vectors) {
  const torch::NoGradGuard no_gradient;
  std::size_t loaded = 0;
  for (const auto& item : trainer.student().named_parameters()) {
    const std::string name = "init/" + item.key();
    if (!vectors.has(name)) continue;
    at::Tensor(item.value()).copy_(vectors.real(name));
    ++loaded;
  }
  EXPECT_EQ(loaded, vectors.names("init/").size());
  trainer.copy_student();
}

/// Samples [begin, end) of view-major crops of one sensor, as one batch.
at::Tensor samples_of(const std::vector<at::Tensor>& crops, std::int64_t begin, std::int64_t end) {
  std::vector<at::Tensor> parts;
  for (const at::Tensor& crop : crops) parts.push_back(crop.slice(0, begin, end));
  return at::cat(parts);
}

/// One step's further results of this rank's micro-batches.
struct Step {
  double loss = 0;                 ///< mean over all micro-batches
  std::vector<double> of_batches;  ///< by micro-batch, of all ranks
  at::Tensor student, teacher;     ///< of the micro-batch trained last
};

/// What a whole run leaves to compare.
class Run {
 public:
  Run(const mpi::Communicator& world, const Vectors& vectors, const model::TerrafmConfig& encoder,
      const train::DinoRecipe& recipe, bool norm_last_layer, int micro_batches)
      : vectors_(vectors),
        config_(vectors.config()),
        mesh_(world, test_device()),
        trainer_(mesh_, encoder, head_config(config_, norm_last_layer), recipe, parallel::Reduction::kExact,
                 1, vectors.dtype()),
        gradients_(mesh_, trainer_.groups(), parallel::Reduction::kExact),
        optimiser_(gradients_, {0.9, 0.999, 1e-8, 0}),
        micro_batches_(micro_batches) {
    load_initial(trainer_, vectors);
  }

  /// `views(begin, end)`: the views of samples [begin, end).
  template <typename Views>
  Step forward(const Views& views, std::int64_t batch, double temperature) {
    Step step;
    std::vector<double> mine;
    gradients_.begin_step(micro_batches_);
    trainer_.begin_step(micro_batches_);
    const parallel::MicroBatchRange range = mesh_.micro_batches(micro_batches_);
    for (int m = range.begin; m < range.end; ++m) {
      gradients_.begin_micro_batch(m);
      mine.push_back(trainer_.train(m, views(batch * m / micro_batches_, batch * (m + 1) / micro_batches_),
                                    temperature));
      gradients_.end_micro_batch();
    }
    gradients_.finish_step();
    step.of_batches = mesh_.dp_comm().all_gather(std::span<const double>(mine));
    for (const double loss : step.of_batches) step.loss += loss / micro_batches_;
    step.student = trainer_.student_output();
    step.teacher = trainer_.teacher_output();
    return step;
  }

  void update(std::int64_t epoch, double lr, double weight_decay, double momentum) {
    trainer_.before_update(gradients_, epoch);
    optimiser_.step(lr, weight_decay);
    trainer_.after_update(momentum);
  }

  const parallel::GradientBuffer& gradients() const { return gradients_; }
  const train::DinoTrainer& trainer() const { return trainer_; }

  /// Parameters of student or teacher, under `prefix`.
  static void keep(const train::DinoNetwork& network, const std::string& prefix, Results& results) {
    for (const auto& item : network.named_parameters()) {
      results.emplace(prefix + item.key(), item.value().detach().clone());
    }
  }

 private:
  const Vectors& vectors_;
  const Json& config_;
  parallel::Mesh mesh_;
  train::DinoTrainer trainer_;
  parallel::GradientBuffer gradients_;
  parallel::AdamW optimiser_;
  int micro_batches_;
};

at::Tensor column(const std::vector<double>& values) { return at::tensor(values, at::kDouble); }

void check_dino(const mpi::Communicator& world, const VectorSet& set, const std::string& precision,
                int micro_batches) {
  SCOPED_TRACE(precision + ", " + std::to_string(micro_batches) + " micro-batches");
  const Vectors vectors(set, "train_loop.safetensors", precision);
  const Json& c = vectors.config();
  const auto number = [&](const char* name) { return c.at(name).get<double>(); };
  const auto count = [&](const char* name) { return c.at(name).get<std::int64_t>(); };
  const std::int64_t per_epoch = count("niter_per_ep"), total = per_epoch * count("epochs");
  const train::DinoSchedule lr{number("lr"), number("min_lr"), 0, count("warmup_epochs") * per_epoch, total};
  const train::DinoSchedule decay{number("weight_decay"), number("weight_decay_end"), 0, 0, total};
  const train::DinoSchedule momentum{number("momentum_teacher"), 1, 0, 0, total};

  Run run(world, vectors, encoder_config(c.at("encoder")),
          {number("student_temp"), number("center_momentum"), 0.9, 1, number("clip_grad"),
           count("freeze_last_layer")},
          c.at("norm_last_layer").get<bool>(), micro_batches);

  Results results;
  std::vector<double> losses, rates, decays, momenta, first_half, second_half;
  std::vector<at::Tensor> centres, norms;
  for (std::int64_t it = 0; it < total; ++it) {
    std::vector<at::Tensor> crops;
    const std::string data = "data/it" + std::to_string(it % per_epoch) + "/crop";
    for (std::int64_t i = 0; i < 2 + count("n_local"); ++i)
      crops.push_back(vectors.real(data + std::to_string(i)));
    const auto views = [&](std::int64_t begin, std::int64_t end) {
      train::DinoViews views;
      const at::Tensor global = samples_of({crops.begin(), crops.begin() + 2}, begin, end);
      views.student_global[Sensor::kS2L1c] = views.teacher[Sensor::kS2L1c] = global;
      views.student_local[Sensor::kS2L1c] = samples_of({crops.begin() + 2, crops.end()}, begin, end);
      views.high = at::zeros({end - begin}, at::device(test_device()).dtype(at::kBool));
      return views;
    };
    const std::int64_t epoch = it / per_epoch;
    const double temperature = train::teacher_temperature(
        number("warmup_teacher_temp"), number("teacher_temp"), count("warmup_teacher_temp_epochs"), epoch);
    const Step step = run.forward(views, count("batch"), temperature);
    losses.push_back(step.loss);
    first_half.push_back(step.of_batches.front());
    second_half.push_back(step.of_batches.back());
    std::vector<double> row;
    for (const Json& name : c.at("meta").at("clip_norm_order")) {
      for (std::size_t i = 0; i < run.gradients().size(); ++i) {
        if (run.gradients().parameter(i).first == name.get<std::string>())
          row.push_back(run.gradients().norm(i));
      }
    }
    norms.push_back(column(row));
    if (it == 0) {
      for (std::size_t i = 0; i < run.gradients().size(); ++i) {
        const auto& [name, parameter] = run.gradients().parameter(i);
        const Json& unused = c.at("meta").at("grad_none_step1_before_cancel");
        const bool expected = std::find(unused.begin(), unused.end(), name) == unused.end();
        EXPECT_EQ(run.gradients().used(i), expected) << name;
        if (expected) results.emplace("step1/grad_preclip/" + name, run.gradients().gradient(i).clone());
      }
      if (micro_batches == 1) {
        results.emplace("step1/student_out", step.student);
        results.emplace("step1/teacher_out", step.teacher);
      }
    }
    run.update(epoch, lr.at(it), decay.at(it), momentum.at(it));
    rates.push_back(lr.at(it));
    decays.push_back(decay.at(it));
    momenta.push_back(momentum.at(it));
    centres.push_back(run.trainer().centre().clone());
    const std::string snapshot = "step" + std::to_string(it + 1);
    Run::keep(run.trainer().student(), snapshot + "/student/", results);
    Run::keep(run.trainer().teacher(), snapshot + "/teacher/", results);
  }
  results.emplace("losses", column(losses));
  results.emplace("losses_f32", column(losses));
  results.emplace("centers", at::cat(centres));
  results.emplace("grad_norms_preclip", at::stack(norms));
  results.emplace("sched/lr", column(rates));
  results.emplace("sched/wd", column(decays));
  results.emplace("sched/momentum", column(momenta));
  std::vector<double> temperatures;
  for (std::int64_t epoch = 0; epoch < count("epochs"); ++epoch) {
    temperatures.push_back(train::teacher_temperature(number("warmup_teacher_temp"), number("teacher_temp"),
                                                      count("warmup_teacher_temp_epochs"), epoch));
  }
  results.emplace("sched/teacher_temp", column(temperatures));
  std::vector<std::string> groups{"losses", "centers", "grad_norms_preclip", "sched/", "step"};
  if (micro_batches == 1) {
    compare(vectors, results, groups);
  } else {
    // The outputs of step 1 are those of a half; the halves' losses are DDP's.
    results.emplace("ddp2/losses_rank0", column(first_half));
    results.emplace("ddp2/losses_rank1", column(second_half));
    results.emplace("ddp2/centers", at::cat(centres));
    compare(vectors, results,
            {"losses", "centers", "grad_norms_preclip", "sched/", "step1/grad_preclip", "step1/teacher/",
             "step2", "step3", "step" + std::to_string(total), "ddp2/"});
  }
}

TEST(DinoTraining, EqualsTheReferenceStepByStep) {
  at::set_num_threads(1);
  const VectorSet set("terrafm");
  if (!set.available()) GTEST_SKIP() << "no parity vectors in " << set.folder();
  const mpi::Communicator world = mpi::Communicator::world();
  for (const std::string precision : {"float64", "float32"}) {
    if (world.size() == 1) check_dino(world, set, precision, 1);
    check_dino(world, set, precision, 2);
  }
}

/// Fusion, sensors per view and two centres: this project's own part.
void check_terrafm(const mpi::Communicator& world, const VectorSet& set, const std::string& precision,
                   int micro_batches) {
  SCOPED_TRACE(precision + ", " + std::to_string(micro_batches) + " micro-batches");
  const Vectors vectors(set, "design_fusion_dualcenter.safetensors", precision);
  const Json& c = vectors.config();
  model::TerrafmConfig encoder = encoder_config(c.at("encoder"));
  encoder.fusion_queries = c.at("n_query").get<std::int64_t>();
  encoder.fusion_heads = c.at("fusion_heads").get<std::int64_t>();
  train::DinoRecipe recipe;
  recipe.centre_share = c.at("alpha").get<double>();
  recipe.clip = c.at("clip_grad").get<double>();
  recipe.freeze_last_layer = 0;
  Run run(world, vectors, encoder, recipe, true, micro_batches);

  const auto n_views = 2 + c.at("n_local").get<std::size_t>();
  std::vector<double> losses;
  std::vector<at::Tensor> centres, high_centres;
  for (std::size_t s = 0; s < c.at("steps").get<std::size_t>(); ++s) {
    const Json& plan = c.at("plan").at(s);
    const auto sensors = [&](const Json& chosen, std::size_t first, std::size_t last, std::int64_t begin,
                             std::int64_t end) {
      model::SensorImages images;
      const std::int64_t samples = end - begin, rows = samples * static_cast<std::int64_t>(last - first);
      images.present = at::zeros({rows, static_cast<std::int64_t>(model::kSensors)}, at::kBool);
      for (std::size_t v = first; v < last; ++v) {
        const std::int64_t row = samples * static_cast<std::int64_t>(v - first);
        for (const Json& word : chosen.at(v)) {
          const Sensor sensor = model::sensor_from(word.get<std::string>());
          const at::Tensor view = vectors
                                      .real("data/it" + std::to_string(s % 2) + "/view" + std::to_string(v) +
                                            "/" + word.get<std::string>())
                                      .slice(0, begin, end);
          at::Tensor& slot = images[sensor];
          if (!slot.defined()) {
            slot = at::zeros({rows, view.size(1), view.size(2), view.size(3)}, view.options());
          }
          slot.slice(0, row, row + samples).copy_(view);
          images.present.slice(0, row, row + samples)
              .select(1, static_cast<std::int64_t>(sensor))
              .fill_(true);
        }
      }
      return images;
    };
    const auto views = [&](std::int64_t begin, std::int64_t end) {
      train::DinoViews views;
      views.student_global = sensors(plan.at("student"), 0, 2, begin, end);
      views.student_local = sensors(plan.at("student"), 2, n_views, begin, end);
      views.teacher = sensors(plan.at("teacher"), 0, 2, begin, end);
      const auto high = c.at("high").at(s).get<std::vector<int>>();
      views.high = at::tensor(high).to(test_device(), at::kBool).slice(0, begin, end);
      return views;
    };
    const Step step =
        run.forward(views, c.at("batch").get<std::int64_t>(), c.at("temps").at(s).get<double>());
    losses.push_back(step.loss);
    run.update(1, c.at("lr").get<double>(), c.at("wd").get<double>(), c.at("momentum").get<double>());
    centres.push_back(run.trainer().centre().clone());
    high_centres.push_back(run.trainer().high_centre().clone());
  }
  Results results;
  results.emplace("losses", column(losses));
  results.emplace("centers", at::cat(centres));
  results.emplace("centers_h", at::cat(high_centres));
  Run::keep(run.trainer().teacher(), "final/teacher/", results);
  compare(vectors, results, {"losses", "centers", "final/"});
}

TEST(TerrafmTraining, FusionAndTwoCentresEqualTheirVectors) {
  at::set_num_threads(1);
  const VectorSet set("terrafm");
  if (!set.available()) GTEST_SKIP() << "no parity vectors in " << set.folder();
  const mpi::Communicator world = mpi::Communicator::world();
  for (const std::string precision : {"float64", "float32"}) {
    for (const int micro_batches : {1, 2, 4}) {
      if (micro_batches >= world.size()) check_terrafm(world, set, precision, micro_batches);
    }
  }
}

}  // namespace
}  // namespace terramill::parity
