# The libraries Terramill stands on. jobs/setup.sh installs them; each message says what is missing.

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(MPI REQUIRED COMPONENTS C)
set(HDF5_PREFER_PARALLEL ON)
find_package(HDF5 REQUIRED COMPONENTS C)
find_package(GDAL REQUIRED)
find_package(Boost REQUIRED COMPONENTS program_options)
find_package(nlohmann_json REQUIRED)
find_package(spdlog REQUIRED)
pkg_check_modules(libdeflate REQUIRED IMPORTED_TARGET libdeflate)
pkg_check_modules(libxxhash REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(libzstd REQUIRED IMPORTED_TARGET libzstd)

# MPI's own C++ bindings are gone from the standard; keep their headers out.
add_library(terramill_mpi_library INTERFACE)
target_link_libraries(terramill_mpi_library INTERFACE MPI::MPI_C)
target_compile_definitions(terramill_mpi_library INTERFACE OMPI_SKIP_MPICXX MPICH_SKIP_MPICXX)

add_library(terramill_hdf5_library INTERFACE)
target_link_libraries(terramill_hdf5_library INTERFACE ${HDF5_C_LIBRARIES})
target_include_directories(terramill_hdf5_library SYSTEM INTERFACE ${HDF5_C_INCLUDE_DIRS})
if(HDF5_IS_PARALLEL)
  # A parallel HDF5's headers include mpi.h.
  target_link_libraries(terramill_hdf5_library INTERFACE terramill_mpi_library)
endif()

include(LibTorch)
include(Arrow)
