#pragma once

#include <terramill/parallel/mesh.hpp>
#include <terramill/train/mpmae_task.hpp>
#include <terramill/train/schedule.hpp>
#include <terramill/train/staging.hpp>
#include <terramill/train/task.hpp>

#include <memory>
#include <string>
#include <vector>

namespace terramill::train {

/// MP-MAE: spec/mpmae.md.
class MpmaeTask final : public Task {
 public:
  MpmaeTask(const parallel::Mesh& mesh, const PretrainConfig& config, MpmaeSetup setup, at::ScalarType dtype);

  const std::vector<loader::Request>& requests() const override { return setup_.requests; }
  int window() const override { return setup_.image_size; }
  std::vector<parallel::ParameterGroup> groups() const override;
  std::vector<parallel::NamedTensor> state() const override;
  parallel::Placements placements() const override { return model::placements_of(*model_); }
  void set_gate(std::function<void(const at::Tensor&)> wait) override;
  void settle() override {}
  checkpoint::InitReport init_from(const std::string& path) override;
  void set_length(std::int64_t total_steps, std::int64_t steps_per_epoch) override;
  std::vector<std::string> losses() const override;
  void begin_step(int /*micro_batches*/) override {}
  void stage(const loader::MicroBatch& next) override { staging_.begin(next); }
  std::vector<double> train(const loader::MicroBatch& loaded, const MicroBatchPlace& place) override;
  model::Flops flops() const override { return flops_; }
  std::vector<double> evaluate(const loader::MicroBatch& loaded, int index) override;
  UpdateRates before_update(parallel::GradientBuffer& gradients, std::int64_t step) override;
  void after_update(std::int64_t /*step*/) override {}
  Scalars scalars() const override { return {}; }
  at::Tensor features(const loader::MicroBatch& loaded) override;
  std::int64_t activation_bytes() const override;
  std::string description() const override;
  Json about() const override;

 private:
  model::MpmaeBatch batch_of(const loader::MicroBatch& loaded, std::uint64_t epoch);
  model::MpmaeOutput forward(const loader::MicroBatch& loaded, std::uint64_t epoch);

  const parallel::Mesh& mesh_;
  const PretrainConfig& config_;
  MpmaeSetup setup_;
  at::ScalarType dtype_;
  Staging staging_;
  std::shared_ptr<model::Mpmae> model_;
  CosineSchedule schedule_;
  double steps_per_epoch_ = 1;
  model::Flops flops_;
};

}  // namespace terramill::train
