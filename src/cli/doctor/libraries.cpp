#include "checks.hpp"

#include <terramill/core/hdf5.hpp>
#include <terramill/corpus/codec.hpp>
#include <terramill/geo/raster.hpp>

#include <array>
#include <utility>

#include <gdal.h>
#include <xxhash.h>

namespace terramill::cli {

Finding check_program() {
  Finding finding{.name = "terramill", .value = TERRAMILL_VERSION};
  finding.facts["version"] = TERRAMILL_VERSION;
#ifdef __clang__
  const std::string compiler = "Clang " __clang_version__;
#else
  const std::string compiler = "GCC " __VERSION__;
#endif
  finding.facts["compiler"] = compiler;
  finding.facts["build_type"] = TERRAMILL_BUILD_TYPE;
  finding.value += ", " TERRAMILL_BUILD_TYPE " build by " + compiler;
  return finding;
}

Finding check_mpi() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  mpi::check(MPI_Get_library_version(text.data(), &length), "ask for MPI's version");
  std::string library(text.data(), static_cast<std::size_t>(length));
  // Open MPI and MPICH both follow the version with lines on how they were built.
  library = library.substr(0, library.find_first_of(",\n"));

  int major = 0, minor = 0, level = 0;
  mpi::check(MPI_Get_version(&major, &minor), "ask for MPI's version");
  mpi::check(MPI_Query_thread(&level), "ask for MPI's thread level");
  const std::string standard = std::to_string(major) + "." + std::to_string(minor);
  const char* name = level == MPI_THREAD_MULTIPLE     ? "multiple"
                     : level == MPI_THREAD_SERIALIZED ? "serialized"
                     : level == MPI_THREAD_FUNNELED   ? "funneled"
                                                      : "single";

  Finding finding{.name = "MPI", .value = library + ", standard " + standard + ", thread level " + name};
  finding.facts = {{"library", library}, {"standard", standard}, {"thread_level", name}};
  if (level != MPI_THREAD_MULTIPLE) {
    finding.verdict = Verdict::kMissing;
    finding.advice = "Terramill needs MPI_THREAD_MULTIPLE: use an MPI built with it";
  }
  return finding;
}

Finding check_hdf5() {
  unsigned major = 0, minor = 0, release = 0;
  {
    const h5::Lock lock(h5::mutex());
    h5::check(H5get_libversion(&major, &minor, &release), "ask for HDF5's version", "");
  }
  const std::string version =
      std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(release);
#ifdef H5_HAVE_PARALLEL
  constexpr bool kParallel = true;
#else
  constexpr bool kParallel = false;
#endif
  Finding finding{.name = "HDF5", .value = version + (kParallel ? ", parallel" : ", serial")};
  finding.facts = {{"version", version}, {"parallel", kParallel}};
  return finding;
}

Finding check_gdal() {
  geo::init_gdal();
  Finding finding{.name = "GDAL", .value = geo::gdal_version().substr(5) + ", drivers"};
  finding.facts["version"] = geo::gdal_version().substr(5);
  const std::array<std::pair<const char*, bool>, 3> drivers = {
      {{"GTiff", true}, {"COG", false}, {"PNG", false}}};
  for (const auto& [driver, essential] : drivers) {
    const bool here = GDALGetDriverByName(driver) != nullptr;
    finding.facts["drivers"][driver] = here;
    finding.value += std::string(here ? " " : " no ") + driver;
    if (!here) {
      finding.verdict = essential ? Verdict::kMissing : std::max(finding.verdict, Verdict::kWarning);
      finding.advice = "use a GDAL with the missing drivers";
    }
  }
  return finding;
}

Finding check_codecs() {
  const unsigned number = XXH_versionNumber();
  const std::string xxhash = "xxhash " + std::to_string(number / 10000) + "." +
                             std::to_string(number / 100 % 100) + "." + std::to_string(number % 100);
  const std::string deflate = corpus::library_version(corpus::Codec::kDeflate);
  const std::string zstd = corpus::library_version(corpus::Codec::kZstd);
  Finding finding{.name = "codecs", .value = deflate + ", " + zstd + ", " + xxhash};
  finding.facts = {{"deflate", deflate}, {"zstd", zstd}, {"xxhash", xxhash}};
  return finding;
}

}  // namespace terramill::cli
