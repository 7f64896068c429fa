#include <terramill/core/error.hpp>
#include <terramill/core/trace.hpp>
#include <terramill/train/stragglers.hpp>

#include <algorithm>
#include <array>
#include <cstdio>

namespace terramill::train {

namespace {

constexpr std::array<std::pair<const char*, double RankLoad::*>, 3> kWatched{
    {{"compute", &RankLoad::compute},
     {"data_wait", &RankLoad::data_wait},
     {"checkpoint", &RankLoad::checkpoint}}};

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

}  // namespace

std::optional<Straggler> find_straggler(std::span<const RankLoad> ranks, double factor, double least) {
  std::optional<Straggler> worst;
  for (const auto& [name, member] : kWatched) {
    for (std::size_t r = 0; r < ranks.size() && ranks.size() > 1; ++r) {
      std::vector<double> others;
      for (std::size_t o = 0; o < ranks.size(); ++o) {
        if (o != r) others.push_back(ranks[o].*member);
      }
      const double own = ranks[r].*member, usual = median(std::move(others));
      const bool slow = own > factor * usual && own - usual > least;
      if (slow && (!worst || own - usual > worst->seconds - worst->others)) {
        worst = Straggler{static_cast<int>(r), name, own, usual};
      }
    }
  }
  return worst;
}

StragglerWatch::StragglerWatch(const mpi::Communicator& world, StragglerOptions options, double share)
    : world_(world), options_(options), share_(share) {
  // Every rank says the host's name to rank 0 alone, which says the finding.
  hosts_ = world.gather(process_host());
}

std::optional<StragglerWatch::Finding> StragglerWatch::after_step(std::int64_t step, double seconds,
                                                                  const StepPhases& phases, double saving) {
  if (options_.factor == 0 || world_.size() == 1) return std::nullopt;
  seconds_.push_back(seconds);
  compute_.push_back(phases.compute / share_);
  data_wait_.push_back(phases.data_wait / share_);
  if (saving > 0) checkpoints_.push_back(saving);
  if (seconds_.size() < static_cast<std::size_t>(options_.window)) return std::nullopt;

  if (checkpoints_.size() > kCheckpoints)
    checkpoints_.erase(checkpoints_.begin(), checkpoints_.end() - kCheckpoints);
  const bool saves = checkpoints_.size() == kCheckpoints;
  const std::array<double, 4> mine{median(compute_), median(data_wait_), saves ? median(checkpoints_) : 0,
                                   median(seconds_)};
  const std::vector<double> all = world_.all_gather(std::span<const double>(mine));
  std::vector<RankLoad> ranks;
  std::vector<double> steps;
  for (std::size_t i = 0; i < all.size(); i += mine.size()) {
    ranks.push_back({all[i], all[i + 1], all[i + 2]});
    steps.push_back(all[i + 3]);
  }
  const std::int64_t first_step = step - static_cast<std::int64_t>(seconds_.size()) + 1;
  for (std::vector<double>* values : {&seconds_, &compute_, &data_wait_}) values->clear();
  if (quiet_ > 0) {
    --quiet_;
    return std::nullopt;
  }
  const auto found = find_straggler(ranks, options_.factor, kLeastShare * median(std::move(steps)));
  if (!found) return std::nullopt;
  quiet_ = kQuietWindows;
  const std::string host = hosts_.empty() ? "" : hosts_.at(static_cast<std::size_t>(found->rank));
  return Finding{*found, host, first_step, step};
}

std::string StragglerWatch::Finding::text() const {
  char numbers[128];
  std::snprintf(numbers, sizeof numbers, "%.3g s a step where the other ranks' median is %.3g s",
                straggler.seconds, straggler.others);
  return "rank " + std::to_string(straggler.rank) + " on " + host + " is slow: " + straggler.phase +
         " takes " + numbers + " (steps " + std::to_string(first_step) + " to " + std::to_string(last_step) +
         ")";
}

Json StragglerWatch::Finding::json() const {
  return {{"rank", straggler.rank},
          {"host", host},
          {"phase", straggler.phase},
          {"seconds", straggler.seconds},
          {"others", straggler.others},
          {"first_step", first_step},
          {"text", text()}};
}

}  // namespace terramill::train
