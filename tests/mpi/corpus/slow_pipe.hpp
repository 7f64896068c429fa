#pragma once

#include <terramill/core/activity.hpp>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace terramill::corpus {

/// A pipe that makes its first reader wait, while this process gives beats as one that reads many files does.
/// Later readers get the text at once.
class SlowPipe {
 public:
  SlowPipe(std::filesystem::path path, std::string text, double seconds)
      : path_(std::move(path)), text_(std::move(text)), seconds_(seconds) {
    if (::mkfifo(path_.c_str(), 0600) != 0) throw std::runtime_error("no pipe at " + path_.string());
    thread_ = std::thread([this] { serve(); });
  }
  ~SlowPipe() {
    stop_ = true;
    thread_.join();
  }
  SlowPipe(const SlowPipe&) = delete;
  SlowPipe& operator=(const SlowPipe&) = delete;

  /// Whether a reader has waited for the time.
  bool held() const { return held_; }

 private:
  using Clock = std::chrono::steady_clock;

  void serve() {
    for (; !stop_; std::this_thread::sleep_for(std::chrono::milliseconds(5))) {
      const int pipe = ::open(path_.c_str(), O_WRONLY | O_NONBLOCK);
      if (pipe < 0) continue;  // nobody reads
      const auto end = Clock::now() + std::chrono::duration<double>(held_ ? 0 : seconds_);
      for (; Clock::now() < end && !stop_; std::this_thread::sleep_for(std::chrono::milliseconds(10))) beat();
      if (::write(pipe, text_.data(), text_.size()) == static_cast<ssize_t>(text_.size())) held_ = true;
      ::close(pipe);
    }
  }

  std::filesystem::path path_;
  std::string text_;
  double seconds_;
  std::atomic<bool> stop_{false}, held_{false};
  std::thread thread_;
};

}  // namespace terramill::corpus
