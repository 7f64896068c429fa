#include <terramill/core/damage.hpp>

#include <algorithm>
#include <array>
#include <cerrno>

namespace terramill {

bool tells_damage(int error_number) noexcept {
  // EBADMSG and EUCLEAN are the checksums of file systems, ENODATA and EREMOTEIO media that cannot be read.
  constexpr std::array kDamage{ENOENT, ENOTDIR, EISDIR, ELOOP, EIO, EBADMSG, EUCLEAN, ENODATA, EREMOTEIO};
  return std::ranges::find(kDamage, error_number) != kDamage.end();
}

}  // namespace terramill
