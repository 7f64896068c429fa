#include <terramill/core/activity.hpp>
#include <terramill/core/error.hpp>
#include <terramill/core/fault_points.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/log.hpp>
#include <terramill/core/options.hpp>
#include <terramill/fault/injection.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

namespace terramill::fault {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::array<std::pair<std::string_view, Kind>, 9> kNames = {{{"kill", Kind::kKill},
                                                                      {"stop", Kind::kStop},
                                                                      {"abort", Kind::kAbort},
                                                                      {"throw", Kind::kThrow},
                                                                      {"nan", Kind::kNan},
                                                                      {"bitflip", Kind::kBitflip},
                                                                      {"enospc", Kind::kEnospc},
                                                                      {"eio", Kind::kEio},
                                                                      {"slow", Kind::kSlow}}};

[[noreturn]] void refuse(const std::string& what, const std::string& item) {
  throw UsageError(what,
                   {"read --inject", item,
                    "give kind@rank:step, or kind@rank:step* for every time the step is reached; kinds: "
                    "kill, stop, abort, throw, nan, bitflip, enospc, eio, slow"});
}

template <typename Number>
Number number(std::string_view text, const std::string& what, const std::string& item) {
  Number value{};
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (fault != std::errc() || end != text.data() + text.size() || value < 0) {
    refuse("\"" + std::string(text) + "\" is no " + what, item);
  }
  return value;
}

Injection parse_one(const std::string& item) {
  const std::size_t at = item.find('@'), colon = item.find(':', at == std::string::npos ? 0 : at);
  if (at == std::string::npos || colon == std::string::npos) {
    refuse("\"" + item + "\" is no fault to inject", item);
  }
  const std::string_view kind = std::string_view(item).substr(0, at);
  const auto found = std::ranges::find(kNames, kind, &std::pair<std::string_view, Kind>::first);
  if (found == kNames.end()) refuse("\"" + std::string(kind) + "\" is no kind of fault", item);
  std::string_view unit = std::string_view(item).substr(colon + 1);
  Injection injection;
  injection.kind = found->second;
  injection.rank = number<int>(std::string_view(item).substr(at + 1, colon - at - 1), "rank", item);
  injection.always = unit.ends_with('*');
  if (injection.always) unit.remove_suffix(1);
  injection.unit = number<std::int64_t>(unit, "step", item);
  return injection;
}

/// What this process is to meet, and has met.
class Plan {
 public:
  Plan(std::vector<Injection> own, fs::path marks) : own_(std::move(own)), marks_(std::move(marks)) {
    struck_.assign(own_.size(), 0);
  }

  bool strikes(Kind kind, std::int64_t unit) {
    for (std::size_t i = 0; i < own_.size(); ++i) {
      if (own_[i].kind == kind && own_[i].unit == unit && note(i)) return true;
    }
    return false;
  }

  void begin(std::int64_t unit) {
    slow_down();
    for (std::size_t i = 0; i < own_.size(); ++i) {
      const Injection& fault = own_[i];
      if (fault.unit != unit || fault.kind == Kind::kNan || fault.kind == Kind::kBitflip || !note(i))
        continue;
      strike(fault);
    }
  }

  int file_event(fault_points::FileEvent event, const fs::path& file) {
    const std::lock_guard lock(mutex_);
    if (event == fault_points::FileEvent::kCreated && next_error_ != 0) {
      cursed_ = file;
      error_ = std::exchange(next_error_, 0);
    }
    return event == fault_points::FileEvent::kWrite && error_ != 0 && file == cursed_ ? error_ : 0;
  }

 private:
  /// Whether fault number i is still to come; it is not any more.
  bool note(std::size_t i) {
    const Injection& fault = own_[i];
    if (!fault.always) {
      if (std::exchange(struck_[i], 1) != 0) return false;
      if (!marks_.empty()) {
        std::string name = fault.text();
        std::ranges::replace(name, ':', '-');
        const fs::path mark = marks_ / ("injected-" + name);
        if (fs::exists(mark)) return false;
        std::error_code error;
        fs::create_directories(marks_, error);
        if (error) {
          throw IoError("cannot make the folder of injected faults", error.value(),
                        {"inject " + fault.text(), marks_.string(), ""});
        }
        write_file_durably(mark, fault.text() + " on " + process_host() + "\n");
      }
    }
    log::warn("injecting {} on {}", fault.text(), process_host());
    return true;
  }

  void strike(const Injection& fault) {
    switch (fault.kind) {
      case Kind::kKill:
        static_cast<void>(std::raise(SIGKILL));
        return;
      case Kind::kStop:
        static_cast<void>(std::raise(SIGSTOP));
        return;
      case Kind::kAbort:
        std::abort();
      case Kind::kThrow:
        throw Error("an injected fault", {"inject", fault.text(), ""});
      case Kind::kEnospc:
      case Kind::kEio: {
        const std::lock_guard lock(mutex_);
        next_error_ = fault.kind == Kind::kEnospc ? ENOSPC : EIO;
        return;
      }
      case Kind::kSlow:
        slow_ = true;
        return;
      case Kind::kNan:
      case Kind::kBitflip:
        return;  // theirs who ask strikes()
    }
  }

  /// Makes the unit that ends now twice as long.
  void slow_down() {
    const Clock::time_point now = Clock::now();
    if (slow_) std::this_thread::sleep_for(now - last_);
    last_ = Clock::now();
  }

  std::vector<Injection> own_;
  std::vector<std::uint8_t> struck_;
  fs::path marks_;
  bool slow_ = false;
  Clock::time_point last_ = Clock::now();
  std::mutex mutex_;    // of what follows: files are written by any thread
  int next_error_ = 0;  // of the next file that is created
  int error_ = 0;       // of cursed_
  fs::path cursed_;
};

std::unique_ptr<Plan> plan;

void disarm() {
  fault_points::set_hooks(nullptr, nullptr);
  plan.reset();
}

}  // namespace

std::string Injection::text() const {
  const auto found = std::ranges::find(kNames, kind, &std::pair<std::string_view, Kind>::second);
  return std::string(found->first) + "@" + std::to_string(rank) + ":" + std::to_string(unit) +
         (always ? "*" : "");
}

std::vector<Injection> parse_injections(const std::string& text) {
  std::vector<Injection> all;
  for (const std::string& item : split_list(text)) all.push_back(parse_one(item));
  return all;
}

Injector::Injector(const std::vector<Injection>& all, fs::path marks, bool training) {
  std::vector<Injection> own;
  for (const Injection& fault : all) {
    if (!training && (fault.kind == Kind::kNan || fault.kind == Kind::kBitflip)) {
      throw UsageError("nan and bitflip strike in pretraining alone", {"read --inject", fault.text(), ""});
    }
    if (fault.rank >= process_count() && process_rank() == 0) {
      log::warn("{} strikes nobody: there are {} ranks", fault.text(), process_count());
    }
    if (fault.rank == process_rank()) own.push_back(fault);
  }
  plan = std::make_unique<Plan>(std::move(own), std::move(marks));
  fault_points::set_hooks(
      [](fault_points::FileEvent event, const fs::path& file) { return plan->file_event(event, file); },
      [](std::int64_t unit) { plan->begin(unit); });
  try {
    fault_points::begin_unit(0);
  } catch (...) {
    disarm();
    throw;
  }
}

Injector::~Injector() { disarm(); }

bool strikes(Kind kind, std::int64_t unit) { return plan && plan->strikes(kind, unit); }

}  // namespace terramill::fault
