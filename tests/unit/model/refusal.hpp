#pragma once

#include <terramill/core/error.hpp>

#include <string>

namespace terramill::model {

/// What an action says that is refused as wrong usage; empty where it is not.
template <typename Action>
std::string refusal(Action action) {
  try {
    action();
  } catch (const UsageError& fault) {
    return fault.what();
  }
  return "";
}

}  // namespace terramill::model
