#pragma once

#include <chrono>

namespace terramill {

/// Seconds, at `now` of the steady clock, since any thread of this process or any watched work of it gave a
/// beat (core/activity.hpp); since the process's first, where there was one only.
double process_silence(std::chrono::steady_clock::time_point now);

}  // namespace terramill
