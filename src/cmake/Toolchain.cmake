# Compiler flags of every target, and ccache where it is installed.

add_library(terramill_flags INTERFACE)
target_include_directories(terramill_flags INTERFACE ${PROJECT_SOURCE_DIR}/include)
# Fused multiply-adds would make results depend on the instruction set and the optimiser.
target_compile_options(terramill_flags INTERFACE -Wall -Wextra -Wpedantic -ffp-contract=off)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 warns of overlapping copies inside std::string's operator+ where there are none (its bug 105651).
  target_compile_options(terramill_flags INTERFACE -Wno-restrict)
endif()
target_link_options(terramill_flags INTERFACE -Wl,--as-needed)
if(TERRAMILL_WERROR)
  target_compile_options(terramill_flags INTERFACE -Werror)
endif()
if(TERRAMILL_MARCH)
  target_compile_options(terramill_flags INTERFACE -march=${TERRAMILL_MARCH})
endif()
if(TERRAMILL_ASSERTIONS)
  target_compile_options(terramill_flags INTERFACE -UNDEBUG)
endif()
if(TERRAMILL_SANITIZE)
  target_compile_options(terramill_flags INTERFACE -fsanitize=${TERRAMILL_SANITIZE} -fno-sanitize-recover=all
                         -fno-omit-frame-pointer -Wno-maybe-uninitialized)
  target_link_options(terramill_flags INTERFACE -fsanitize=${TERRAMILL_SANITIZE})
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Precompiled headers need the first two; the checkout's path must not matter to a fresh clone.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE_PROGRAM})
  target_compile_options(terramill_flags INTERFACE -fpch-preprocess)
endif()
