#include "mpmae_vectors.hpp"

#include <terramill/model/losses.hpp>

#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace terramill::parity {
namespace {

using model::MissingMode;
using model::MpmaeTarget;
using model::TargetKind;

/// How a case of the manifest alters the stored inputs (config.cases.<case>.inputs).
struct CaseInputs {
  std::vector<at::Tensor> targets, predictions;
  bool raw = false;
};

CaseInputs load_case(const Vectors& vectors, const std::vector<MpmaeTarget>& targets,
                     const std::string& name) {
  CaseInputs inputs;
  inputs.raw = name == "raw_nan_targets";
  for (const MpmaeTarget& target : targets) {
    const at::Tensor stored = vectors.raw("batch." + target.name);
    at::Tensor value = stored.is_floating_point() ? stored.to(vectors.dtype()) : stored.to(at::kLong);
    at::Tensor prediction = vectors.real("pred." + target.name);
    if (name == "dw_all_nodata" && target.name == "dynamic_world") value.fill_(-1);
    if (name == "era5_all_nan" && target.name == "era5")
      value.fill_(std::numeric_limits<double>::quiet_NaN());
    if (name == "zero_loss_task" && target.name == "lat") prediction = value.clone();
    inputs.targets.push_back(value);
    inputs.predictions.push_back(prediction.requires_grad_());
  }
  return inputs;
}

/// forward_loss of the reference on given predictions: per-target losses.
at::Tensor losses_of(const CaseInputs& inputs, const std::vector<MpmaeTarget>& targets,
                     const at::Tensor& removed, std::int64_t patch, bool norm_pix) {
  constexpr auto kMode = MissingMode::kReference;
  std::vector<at::Tensor> losses;
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const MpmaeTarget& target = targets[i];
    at::Tensor rows = model::target_rows(target, inputs.targets[i], patch, removed, kMode);
    if (!inputs.raw) rows = model::fill_missing(target, rows, kMode);
    at::Tensor prediction = inputs.predictions[i];
    if (target.is_pixel()) {
      prediction =
          prediction.permute({0, 2, 3, 1}).reshape({-1, prediction.size(1)}).index_select(0, removed);
    }
    losses.push_back(model::target_loss(target, prediction, rows, norm_pix && target.reflectance, kMode));
  }
  return at::stack(losses);
}

void check_case(const Vectors& vectors, const std::string& name, const Json& description) {
  SCOPED_TRACE(vectors.name() + " " + name);
  const auto targets = targets_of(vectors.config());
  const CaseInputs inputs = load_case(vectors, targets, name);
  const at::Tensor removed = vectors.raw("mask").reshape({-1}).nonzero().squeeze(1);
  const at::Tensor losses =
      losses_of(inputs, targets, removed, vectors.config().at("patch_size").get<std::int64_t>(),
                description.at("norm_pix_loss").get<bool>());
  at::Tensor log_vars;
  if (aggregation_of(description) == model::Aggregation::kUncertainty) {
    log_vars = vectors.real("log_vars").requires_grad_();
  }
  const model::Aggregated sum = model::aggregate(losses, log_vars);
  sum.total.backward();

  for (const std::string& stored : vectors.names(name + ".")) {
    const std::string what = stored.substr(name.size() + 1);
    at::Tensor got;
    if (what == "per") got = losses;
    if (what == "weighted") got = sum.weighted;
    if (what == "total") got = sum.total;
    if (what == "grad_log_vars") got = log_vars.grad();
    for (std::size_t i = 0; i < targets.size(); ++i) {
      if (what == "grad." + targets[i].name) got = inputs.predictions[i].grad();
    }
    ASSERT_TRUE(got.defined()) << "nothing computes " << stored;
    EXPECT_EQ(vectors.disagreement(stored, got), "");
  }
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const Json& expected = description.at("losses").at(targets[i].name);
    const double got = losses[static_cast<std::int64_t>(i)].item<double>();
    if (expected.is_null()) {
      EXPECT_TRUE(std::isnan(got)) << targets[i].name;
    } else {
      // The tensors above hold the vectors' precision; these numbers show that the file belongs to its
      // manifest.
      EXPECT_NEAR(got, expected.get<double>(), 1e-5 * std::max(1.0, expected.get<double>()))
          << targets[i].name;
      EXPECT_FALSE(inputs.predictions[i].grad().isnan().any().item<bool>()) << targets[i].name;
    }
  }
}

TEST(ForwardLoss, EveryCaseEqualsTheReference) {
  at::set_num_threads(1);
  const VectorSet set("mpmae");
  if (!set.available()) GTEST_SKIP() << "no parity vectors in " << set.folder();
  for (const std::string& file : set.files("losses_", ".safetensors")) {
    for (const std::string precision : {"float64", "float32"}) {
      const Vectors vectors(set, file, precision);
      for (const auto& [name, description] : vectors.config().at("cases").items()) {
        check_case(vectors, name, description);
      }
    }
  }
}

}  // namespace
}  // namespace terramill::parity
