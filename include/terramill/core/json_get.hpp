#pragma once

// The template body of json_get; included by json.hpp only.

#include <terramill/core/error.hpp>

namespace terramill {

template <typename T>
T json_get(const Json& object, const std::string& key, const std::string& origin) {
  if (!object.is_object() || !object.contains(key)) {
    throw FormatError("the key \"" + key + "\" is missing", {"read JSON", origin, ""});
  }
  try {
    return object.at(key).template get<T>();
  } catch (const nlohmann::json::exception& fault) {
    throw FormatError("the key \"" + key + "\" has the wrong type: " + fault.what(),
                      {"read JSON", origin, ""});
  }
}

}  // namespace terramill
