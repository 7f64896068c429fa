#pragma once

#include <terramill/core/json.hpp>

#include <string>
#include <vector>

namespace terramill::cli {

enum class Verdict {
  kOk,
  kWarning,  ///< works, but something is worth knowing or doing
  kMissing,  ///< Terramill cannot do its work here
};

/// One thing that `terramill doctor` looked at.
struct Finding {
  std::string name;  ///< "HDF5"
  Verdict verdict = Verdict::kOk;
  std::string value{};          ///< one line: "1.10.8, parallel"
  std::string advice{};         ///< what to do; empty where nothing is to be done
  Json facts = Json::object();  ///< the same for programs
};

}  // namespace terramill::cli
