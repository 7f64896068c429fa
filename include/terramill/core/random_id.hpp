#pragma once

#include <string>

namespace terramill {

/// 16 lower-case hexadecimal digits from the system's source of entropy: names what must not be taken for
/// another of its kind. Never for what a result depends on.
std::string random_id();

}  // namespace terramill
