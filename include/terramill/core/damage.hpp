#pragma once

namespace terramill {

/// Whether an error of opening or reading (errno) says that what is stored there is missing or damaged, so
/// that a copy or an older version may stand in for it. False where the machine has run out of something,
/// or whoever stores the file does not answer: the same file may be whole a moment later.
bool tells_damage(int error_number) noexcept;

}  // namespace terramill
