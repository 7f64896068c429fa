#pragma once

#include <terramill/checkpoint/tensors.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include <torch/torch.h>

namespace terramill::parity {

/// The shared folder: $TERRAMILL_SHARED, else the one beside the source tree.
inline std::filesystem::path shared_folder() {
  if (const char* given = std::getenv("TERRAMILL_SHARED")) {
    return given;
  }
  const char* source = std::getenv("TERRAMILL_SOURCE_DIR");
  return std::filesystem::path(source != nullptr ? source : ".") / ".." / "shared";
}

/// Where the models under test compute: $TERRAMILL_TEST_DEVICE, else the CPU.
inline at::Device test_device() {
  static const at::Device device = [] {
    const char* given = std::getenv("TERRAMILL_TEST_DEVICE");
    at::Device chosen(given != nullptr ? given : "cpu");
    if (chosen.is_cuda() && !chosen.has_index()) chosen.set_index(0);
    // cuDNN would round what float32 convolutions multiply to 10 bits.
    if (chosen.is_cuda()) at::globalContext().setAllowTF32CuDNN(false);
    return chosen;
  }();
  return device;
}

/// A folder of parity vectors with its manifest.json.
class VectorSet {
 public:
  explicit VectorSet(const std::string& name)
      : folder_(shared_folder() / "parity" / name),
        manifest_(available() ? read_json(folder_ / "manifest.json") : Json::object()) {}

  bool available() const { return std::filesystem::exists(folder_ / "manifest.json"); }
  const std::filesystem::path& folder() const { return folder_; }
  const Json& entry(const std::string& file) const { return manifest_.at("files").at(file); }
  const Json& config(const std::string& file) const { return entry(file).at("config"); }

  /// Files whose name begins with `prefix` and ends with `suffix`, in the manifest's order.
  std::vector<std::string> files(const std::string& prefix, const std::string& suffix) const {
    std::vector<std::string> found;
    if (available()) {
      for (const auto& [file, entry] : manifest_.at("files").items()) {
        if (file.starts_with(prefix) && file.ends_with(suffix)) found.push_back(file);
      }
    }
    return found;
  }

  /// The floor under a role's scale (tolerance_rule of the manifest).
  double floor(const std::string& role) const {
    const Json& floors = manifest_.at("tolerance_rule").at("floor");
    return floors.value(role, floors.at("default").get<double>());
  }

 private:
  std::filesystem::path folder_;
  Json manifest_;
};

/// One file of vectors, read in one precision ("float64" or "float32").
class Vectors {
 public:
  Vectors(const VectorSet& set, const std::string& file, std::string precision)
      : set_(set), file_name_(file), precision_(std::move(precision)), file_(set.folder() / file) {}

  const VectorSet& set() const { return set_; }
  const std::string& name() const { return file_name_; }
  const Json& config() const { return set_.config(file_name_); }
  at::ScalarType dtype() const { return precision_ == "float64" ? at::kDouble : at::kFloat; }
  at::TensorOptions options() const { return at::device(test_device()).dtype(dtype()); }
  bool has(const std::string& name) const { return file_.find(name) != nullptr; }

  /// On the device under test.
  at::Tensor raw(const std::string& name) const { return stored(name).to(test_device()); }
  /// In the precision of the run.
  at::Tensor real(const std::string& name) const { return raw(name).to(dtype()); }

  std::vector<std::string> names(const std::string& prefix) const {
    std::vector<std::string> found;
    for (const auto& tensor : file_.tensors()) {
      if (tensor.name.starts_with(prefix)) found.push_back(tensor.name);
    }
    return found;
  }

  /// Empty when `got` agrees with the stored tensor by the manifest's rule, otherwise what differs.
  std::string disagreement(const std::string& name, const at::Tensor& got) const {
    const std::string role = set_.entry(file_name_).at("tensors").at(name).at("role").get<std::string>();
    const Json& tolerances = set_.entry(file_name_).at("tolerance").at(precision_);
    if (!tolerances.contains(role)) return {};
    const at::Tensor expected = stored(name).to(at::kDouble).reshape(-1);
    const at::Tensor values = got.detach().to(at::kCPU, at::kDouble).reshape(-1);
    if (expected.numel() != values.numel()) return file_name_ + " " + name + ": another number of elements";
    const at::Tensor missing = expected.isnan();
    if (!at::equal(missing, values.isnan())) return file_name_ + " " + name + ": NaN in other places";
    const at::Tensor there = missing.logical_not();
    if (!there.any().item<bool>()) return {};
    const double gap = (values - expected).abs().masked_select(there).max().item<double>();
    const double scale = std::max(set_.floor(role), expected.abs().masked_select(there).max().item<double>());
    const double allowed = tolerances.at(role).get<double>() * scale;
    if (gap <= allowed) return {};
    return file_name_ + " " + name + " (" + precision_ + ", " + role + "): differs by " +
           std::to_string(gap / scale) + " of scale, " + dump_json(Json(gap)) + " where " +
           dump_json(Json(allowed)) + " is allowed";
  }

 private:
  at::Tensor stored(const std::string& name) const { return checkpoint::read_tensor(file_, name); }

  const VectorSet& set_;
  std::string file_name_, precision_;
  checkpoint::SafetensorsReader file_;
};

}  // namespace terramill::parity
