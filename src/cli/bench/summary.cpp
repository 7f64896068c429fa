#include "summary.hpp"

#include <algorithm>
#include <functional>
#include <iomanip>
#include <ostream>

namespace terramill::cli {

namespace {

using terramill::report::ScalingPoint;

/// The median of a number over points; of an even count the mean of the middle two.
double median(const std::vector<ScalingPoint>& points,
              const std::function<double(const ScalingPoint&)>& number) {
  std::vector<double> values;
  for (const ScalingPoint& point : points) values.push_back(number(point));
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

double rate(const ScalingPoint& point) { return point.images_per_second; }

/// The largest rate less the smallest, as a share of the median.
double spread(const std::vector<ScalingPoint>& points) {
  const auto [least, most] = std::ranges::minmax_element(points, {}, rate);
  return (rate(*most) - rate(*least)) / median(points, rate);
}

/// Where the time of a step went, as a share of it.
struct Share {
  const char* name;
  double (*seconds)(const ScalingPoint&);
};
constexpr Share kShares[] = {
    {"compute", [](const ScalingPoint& p) { return p.phases.compute; }},
    {"exposed", [](const ScalingPoint& p) { return p.phases.communication_exposed; }},
    {"data wait", [](const ScalingPoint& p) { return p.phases.data_wait; }},
};

double share(const std::vector<ScalingPoint>& points, const Share& part) {
  return median(points, [&](const ScalingPoint& p) { return part.seconds(p) / p.seconds_per_step(); });
}

}  // namespace

void print_table(std::ostream& out, const Sweep& sweep) {
  out << std::left << std::setw(66) << "layout" << std::right << std::setw(10) << "images/s" << std::setw(8)
      << "+-" << std::setw(10) << "step s";
  for (const Share& part : kShares) out << std::setw(11) << part.name;
  out << '\n' << std::fixed;
  for (const Trial& trial : sweep.trials()) {
    out << std::left << std::setw(66) << trial.text() << std::right;
    const std::vector<ScalingPoint> points = sweep.points(trial);
    if (points.empty()) {
      out << "  " << (trial.refusal.empty() ? "not measured" : trial.refusal) << '\n';
      continue;
    }
    out << std::setprecision(1) << std::setw(10) << median(points, rate) << std::setw(6)
        << 100 * spread(points) / 2 << " %" << std::setprecision(3) << std::setw(10)
        << median(points, [](const ScalingPoint& p) { return p.seconds_per_step(); }) << std::setprecision(1);
    for (const Share& part : kShares) out << std::setw(9) << 100 * share(points, part) << " %";
    out << '\n';
  }
}

Json describe(const Sweep& sweep) {
  Json trials = Json::array();
  for (const Trial& trial : sweep.trials()) {
    const std::vector<ScalingPoint> points = sweep.points(trial);
    Json entry{{"layout", trial.text()}, {"corpus", trial.corpus}, {"points", points.size()}};
    if (!points.empty()) {
      entry["images_per_second"] = median(points, rate);
      entry["spread"] = spread(points);
      entry["seconds_per_step"] = median(points, [](const ScalingPoint& p) { return p.seconds_per_step(); });
    }
    entry["refusal"] = trial.refusal;
    trials.push_back(std::move(entry));
  }
  return {{"measured", sweep.measured()}, {"trials", std::move(trials)}};
}

}  // namespace terramill::cli
