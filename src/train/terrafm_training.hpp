#pragma once

#include <terramill/parallel/mesh.hpp>
#include <terramill/train/dino_trainer.hpp>
#include <terramill/train/frequent_classes.hpp>
#include <terramill/train/schedule.hpp>
#include <terramill/train/staging.hpp>
#include <terramill/train/task.hpp>
#include <terramill/train/terrafm_task.hpp>

#include <memory>
#include <string>
#include <vector>

namespace terramill::train {

/// TerraFM by self-distillation: spec/terrafm.md, section b.
class TerrafmTask final : public Task {
 public:
  /// Collective.
  TerrafmTask(const parallel::Mesh& mesh, const PretrainConfig& config, TerrafmSetup setup,
              at::ScalarType dtype);

  const std::vector<loader::Request>& requests() const override { return setup_.requests; }
  int window() const override { return setup_.window; }
  std::vector<parallel::ParameterGroup> groups() const override { return trainer_.groups(); }
  std::vector<parallel::NamedTensor> state() const override { return trainer_.state(); }
  parallel::Placements placements() const override { return trainer_.placements(); }
  void set_gate(std::function<void(const at::Tensor&)> wait) override { trainer_.set_gate(std::move(wait)); }
  void settle() override { trainer_.settle(); }
  checkpoint::InitReport init_from(const std::string& path) override;
  void set_length(std::int64_t total_steps, std::int64_t steps_per_epoch) override;
  std::vector<std::string> losses() const override { return {"loss"}; }
  void begin_step(int micro_batches) override { trainer_.begin_step(micro_batches); }
  void stage(const loader::MicroBatch& next) override { staging_.begin(next); }
  std::vector<double> train(const loader::MicroBatch& loaded, const MicroBatchPlace& place) override;
  model::Flops flops() const override { return flops_; }
  std::vector<double> evaluate(const loader::MicroBatch& loaded, int index) override;
  UpdateRates before_update(parallel::GradientBuffer& gradients, std::int64_t step) override;
  void after_update(std::int64_t step) override;
  Scalars scalars() const override { return scalars_; }
  at::Tensor features(const loader::MicroBatch& loaded) override;
  std::int64_t activation_bytes() const override;
  std::string description() const override;
  Json about() const override;

 private:
  /// Of student and teacher over all views.
  model::Flops flops_of(const DinoViews& views) const;
  std::int64_t epoch_of(std::int64_t step) const { return step / steps_per_epoch_; }
  double temperature_at(std::int64_t step) const;
  DinoViews views_of(const loader::MicroBatch& loaded, std::uint64_t epoch, std::int64_t step, int index);

  const parallel::Mesh& mesh_;
  const PretrainConfig& config_;
  TerrafmSetup setup_;
  at::ScalarType dtype_;
  Staging staging_;
  FrequentTiles frequent_;
  DinoTrainer trainer_;
  std::vector<double> drop_rates_;
  DinoSchedule lr_, weight_decay_, momentum_;
  std::int64_t steps_per_epoch_ = 1;
  Scalars scalars_;
  model::Flops flops_;
};

}  // namespace terramill::train
