# LibTorch from the PyPI wheel, as imported targets.
#
#   terramill_torch       ATen, autograd and c10d on the CPU
#   terramill_torch_cuda  the same with CUDA and NCCL; only where a CUDA toolkit was found
#
# Torch's own package file is not used: it refuses a CUDA build of LibTorch on a machine without the toolkit, and links
# every program with all of CUDA, which costs each start of each rank. TERRAMILL_TORCH_DIR names the wheel's `torch`
# folder; jobs/build.sh passes it.

set(TERRAMILL_TORCH_DIR "" CACHE PATH "The `torch` folder of the LibTorch or PyTorch installation")
if(NOT TERRAMILL_TORCH_DIR)
  foreach(prefix IN LISTS CMAKE_PREFIX_PATH)
    if(EXISTS ${prefix}/lib/libtorch_cpu.so)
      set(TERRAMILL_TORCH_DIR ${prefix})
    endif()
  endforeach()
endif()
if(NOT TERRAMILL_TORCH_DIR AND DEFINED ENV{TERRAMILL_TORCH_DIR})
  set(TERRAMILL_TORCH_DIR $ENV{TERRAMILL_TORCH_DIR})
endif()
if(NOT TERRAMILL_TORCH_DIR)
  file(GLOB _candidates $ENV{HOME}/.cache/terramill/venv/lib/python3*/site-packages/torch)
  if(_candidates)
    list(GET _candidates 0 TERRAMILL_TORCH_DIR)
  endif()
endif()
if(NOT EXISTS ${TERRAMILL_TORCH_DIR}/lib/libtorch_cpu.so)
  message(FATAL_ERROR "LibTorch is not in '${TERRAMILL_TORCH_DIR}'. Run jobs/setup.sh, or pass "
                      "-DTERRAMILL_TORCH_DIR=<site-packages>/torch.")
endif()
message(STATUS "LibTorch: ${TERRAMILL_TORCH_DIR}")

get_filename_component(_site ${TERRAMILL_TORCH_DIR} DIRECTORY)
set(TERRAMILL_TORCH_LIB ${TERRAMILL_TORCH_DIR}/lib)

add_library(terramill_torch INTERFACE)
# The wheel carries {fmt} headers of another version than the one that spdlog was built with; ours must come first.
find_path(TERRAMILL_FMT_INCLUDE_DIR fmt/core.h)
if(TERRAMILL_FMT_INCLUDE_DIR)
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/fmt-first)
  file(CREATE_LINK ${TERRAMILL_FMT_INCLUDE_DIR}/fmt ${CMAKE_BINARY_DIR}/fmt-first/fmt SYMBOLIC)
  target_include_directories(terramill_torch SYSTEM INTERFACE ${CMAKE_BINARY_DIR}/fmt-first)
endif()
target_include_directories(terramill_torch SYSTEM INTERFACE
  ${TERRAMILL_TORCH_DIR}/include ${TERRAMILL_TORCH_DIR}/include/torch/csrc/api/include)
target_compile_definitions(terramill_torch INTERFACE USE_DISTRIBUTED USE_RPC)
target_link_libraries(terramill_torch INTERFACE
  ${TERRAMILL_TORCH_LIB}/libtorch_cpu.so ${TERRAMILL_TORCH_LIB}/libc10.so)
# The wheel finds its CUDA runtime next to itself; the linker must look there too.
file(GLOB _nvidia_libs ${_site}/nvidia/*/lib)
foreach(dir IN LISTS _nvidia_libs)
  target_link_options(terramill_torch INTERFACE -Wl,-rpath-link,${dir})
endforeach()

set(TERRAMILL_HAVE_CUDA OFF)
if(NOT TERRAMILL_CUDA STREQUAL "OFF")
  find_package(CUDAToolkit QUIET)
  if(CUDAToolkit_FOUND AND EXISTS ${TERRAMILL_TORCH_LIB}/libtorch_cuda.so)
    find_path(NCCL_INCLUDE_DIR nccl.h PATHS ${_site}/nvidia/nccl/include ${CUDAToolkit_INCLUDE_DIRS})
    if(NCCL_INCLUDE_DIR)
      set(TERRAMILL_HAVE_CUDA ON)
      add_library(terramill_torch_cuda INTERFACE)
      target_link_libraries(terramill_torch_cuda INTERFACE terramill_torch
        ${TERRAMILL_TORCH_LIB}/libtorch_cuda.so ${TERRAMILL_TORCH_LIB}/libc10_cuda.so CUDA::cudart)
      target_include_directories(terramill_torch_cuda SYSTEM INTERFACE ${NCCL_INCLUDE_DIR})
      target_compile_definitions(terramill_torch_cuda INTERFACE USE_C10D_NCCL)
    endif()
  endif()
  if(TERRAMILL_CUDA STREQUAL "ON" AND NOT TERRAMILL_HAVE_CUDA)
    message(FATAL_ERROR "TERRAMILL_CUDA=ON, but no CUDA toolkit, no CUDA build of LibTorch or no nccl.h was found.")
  endif()
endif()
message(STATUS "CUDA and NCCL: ${TERRAMILL_HAVE_CUDA}")
