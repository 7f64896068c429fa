#include "embed_writer.hpp"

#include <terramill/core/error.hpp>

// Where Arrow's libraries are not here (src/cmake/Arrow.cmake).

namespace terramill::eval {

bool have_parquet() noexcept { return false; }

std::unique_ptr<FeatureWriter> open_parquet(const std::filesystem::path& path, const FeatureFileHead&) {
  throw Error("this build cannot write Parquet", {"write features", path.string(), ""});
}

}  // namespace terramill::eval
