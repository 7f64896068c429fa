#include <terramill/fault/guard.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <utility>

namespace terramill::fault {
namespace {

double median_of(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

/// "loss 12.3 is 9.1 deviations above the median 2.4 of the last 100 steps", where it is too many.
std::optional<std::string> spike(const char* what, double value, const std::vector<double>& before,
                                 double limit) {
  const RobustScale usual = robust_scale(before);
  const double deviation = std::max(usual.deviation, Guard::kLeastDeviation * std::abs(usual.median));
  const double z = (value - usual.median) / deviation;
  if (!(z > limit)) return std::nullopt;
  char text[160];
  std::snprintf(text, sizeof text, "%s %.6g is %.3g deviations above the median %.6g of the last %zu steps",
                what, value, z, usual.median, before.size());
  return text;
}

}  // namespace

RobustScale robust_scale(std::span<const double> sample) {
  if (sample.empty()) return {};
  std::vector<double> values(sample.begin(), sample.end());
  const double median = median_of(values);
  for (double& value : values) value = std::abs(value - median);
  return {median, 1.4826 * median_of(std::move(values))};
}

std::optional<std::string> Guard::objection(const Window& window, double loss, double norm) const {
  if (!std::isfinite(loss)) return "the loss is not finite";
  if (!std::isfinite(norm)) return "the gradient is not finite";
  if (window.size() < kLeastSteps) return std::nullopt;
  const auto column = [&](double AcceptedStep::*member) {
    std::vector<double> values;
    for (const AcceptedStep& step : window) values.push_back(step.*member);
    return values;
  };
  std::optional<std::string> found;
  if (options_.spike_z > 0) found = spike("the loss", loss, column(&AcceptedStep::loss), options_.spike_z);
  if (!found && options_.norm_z > 0) {
    found = spike("the gradient's norm", norm, column(&AcceptedStep::norm), options_.norm_z);
  }
  return found;
}

void Guard::accept(Window& window, double loss, double norm) const {
  if (options_.spike_z <= 0 && options_.norm_z <= 0) return;
  window.push_back({loss, norm});
  const auto most = static_cast<std::size_t>(options_.window);
  if (window.size() > most) {
    window.erase(window.begin(), window.end() - static_cast<std::ptrdiff_t>(most));
  }
}

std::optional<std::vector<int>> odd_replicas(std::span<const std::uint64_t> hashes) {
  std::map<std::uint64_t, std::size_t> votes;
  for (const std::uint64_t hash : hashes) ++votes[hash];
  if (votes.size() <= 1) return std::nullopt;
  const auto most = std::ranges::max_element(votes, {}, [](const auto& vote) { return vote.second; });
  std::vector<int> odd;
  if (2 * most->second <= hashes.size()) return odd;
  for (std::size_t replica = 0; replica < hashes.size(); ++replica) {
    if (hashes[replica] != most->first) odd.push_back(static_cast<int>(replica));
  }
  return odd;
}

}  // namespace terramill::fault
