#pragma once

#include "support/testing.hpp"

#include <string>

namespace terramill::testing {

/// Runs `action`, which must throw an `E`, and returns its text.
template <typename E, typename Action>
std::string text_of(Action action) {
  try {
    action();
  } catch (const E& fault) {
    return fault.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

inline ::testing::AssertionResult contains(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "\"" << text << "\" does not contain \"" << part << "\"";
}

}  // namespace terramill::testing
