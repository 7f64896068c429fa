# Arrow and Parquet from the PyPI wheel `pyarrow`, as the imported target terramill_parquet; TERRAMILL_HAVE_PARQUET tells
# whether it is here. Without it Terramill is built all the same, and says at run time that it cannot write Parquet.
#
# The wheel's libraries stand on libstdc++ alone and keep what they bundle to themselves, so they go with GDAL and
# LibTorch. TERRAMILL_ARROW_DIR names the wheel's `pyarrow` folder.

set(TERRAMILL_ARROW_DIR "" CACHE PATH "The `pyarrow` folder of the Python installation")
set(_arrow_folders ${TERRAMILL_ARROW_DIR})
if(NOT TERRAMILL_ARROW_DIR)
  if(DEFINED ENV{TERRAMILL_VENV})
    file(GLOB _arrow_venv $ENV{TERRAMILL_VENV}/lib/python3*/site-packages/pyarrow)
  endif()
  file(GLOB _arrow_cache $ENV{HOME}/.cache/terramill/venv/lib/python3*/site-packages/pyarrow)
  get_filename_component(_arrow_site ${TERRAMILL_TORCH_DIR} DIRECTORY)
  set(_arrow_folders ${_arrow_site}/pyarrow ${_arrow_venv} ${_arrow_cache})
endif()

set(TERRAMILL_HAVE_PARQUET OFF)
foreach(_folder IN LISTS _arrow_folders)
  file(GLOB _libarrow ${_folder}/libarrow.so.*)
  file(GLOB _libparquet ${_folder}/libparquet.so.*)
  if(_libarrow AND _libparquet AND EXISTS ${_folder}/include/parquet/arrow/writer.h)
    set(TERRAMILL_HAVE_PARQUET ON)
    add_library(terramill_parquet INTERFACE)
    target_include_directories(terramill_parquet SYSTEM INTERFACE ${_folder}/include)
    target_link_libraries(terramill_parquet INTERFACE ${_libparquet} ${_libarrow})
    message(STATUS "Parquet: ${_folder}")
    break()
  endif()
endforeach()
if(NOT TERRAMILL_HAVE_PARQUET)
  if(TERRAMILL_ARROW_DIR)
    message(FATAL_ERROR "Arrow's libraries are not in '${TERRAMILL_ARROW_DIR}'. Run jobs/setup.sh, or leave "
                        "TERRAMILL_ARROW_DIR empty.")
  endif()
  message(STATUS "Parquet: OFF (no pyarrow wheel; jobs/setup.sh installs it)")
endif()
