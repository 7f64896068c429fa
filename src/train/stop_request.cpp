#include <terramill/core/error.hpp>
#include <terramill/train/stop_request.hpp>

#include <array>
#include <cerrno>
#include <csignal>

namespace terramill::train {

namespace {

constexpr std::array<int, 2> kSignals = {SIGUSR1, SIGTERM};
volatile std::sig_atomic_t g_asked = 0;
std::array<struct sigaction, kSignals.size()> g_earlier;

void on_signal(int) { g_asked = 1; }

}  // namespace

StopRequest::StopRequest() {
  g_asked = 0;
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    if (sigaction(kSignals[i], &action, &g_earlier[i]) != 0) {
      throw IoError("cannot install a signal handler", errno, {"listen for requests to stop", "", ""});
    }
  }
}

StopRequest::~StopRequest() {
  for (std::size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &g_earlier[i], nullptr);
}

bool StopRequest::pending() const noexcept { return g_asked != 0; }

}  // namespace terramill::train
