# terramill_room(<name> SOURCES a.cpp … [ROOMS core mpi …] [LIBRARIES …] [TORCH])
#
# Declares the static library terramill_<name> of src/<name>. ROOMS are the rooms it may use: each must come before it in
# the design's order, so that dependencies go one way. TORCH gives it LibTorch and the shared precompiled header.

set(TERRAMILL_ROOMS core mpi geo corpus sampling loader parallel model checkpoint fault train eval report)

function(terramill_room name)
  cmake_parse_arguments(ARG "TORCH" "" "SOURCES;ROOMS;LIBRARIES" ${ARGN})
  list(FIND TERRAMILL_ROOMS ${name} own)
  foreach(room IN LISTS ARG_ROOMS)
    list(FIND TERRAMILL_ROOMS ${room} other)
    if(other EQUAL -1 OR NOT other LESS own)
      message(FATAL_ERROR "room ${name} may not use room ${room}: rooms use only those before them")
    endif()
  endforeach()

  add_library(terramill_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(terramill_${name} PUBLIC terramill_flags)
  foreach(room IN LISTS ARG_ROOMS)
    target_link_libraries(terramill_${name} PUBLIC terramill_${room})
  endforeach()
  target_link_libraries(terramill_${name} PUBLIC ${ARG_LIBRARIES})
  if(ARG_TORCH)
    terramill_use_torch(terramill_${name})
  endif()
endfunction()

# Gives a target LibTorch and reuses the one precompiled torch/torch.h.
function(terramill_use_torch target)
  target_link_libraries(${target} PUBLIC terramill_torch)
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "EXECUTABLE")
    # The precompiled header was made with -fPIC; a program's own -fPIE would reject it.
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${target} PRIVATE -fPIC)
  endif()
  target_precompile_headers(${target} REUSE_FROM terramill_torch_header)
endfunction()

file(WRITE ${CMAKE_BINARY_DIR}/torch_header.cpp "// Holds the precompiled header; see src/cmake/Rooms.cmake.\n")
add_library(terramill_torch_header STATIC ${CMAKE_BINARY_DIR}/torch_header.cpp)
target_link_libraries(terramill_torch_header PUBLIC terramill_flags terramill_torch)
target_precompile_headers(terramill_torch_header PRIVATE <torch/torch.h>)
