# The web page in ui/: compiled from TypeScript, then put into millrace_management as bytes. Nothing is fetched, and
# nothing but tsc (Debian: node-typescript) is needed.

option(MILLRACE_PAGE "Put the web page into the program; needs tsc" ON)

set(page_sources)
set(page_files)
set(page_scripts)
if(MILLRACE_PAGE)
  find_program(MILLRACE_TSC tsc)
  if(NOT MILLRACE_TSC)
    message(FATAL_ERROR "tsc is missing (Debian: apt-get install node-typescript); -DMILLRACE_PAGE=OFF builds a broker "
                        "without its web page")
  endif()
  file(GLOB_RECURSE page_sources CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}/ui/src ${CMAKE_SOURCE_DIR}/ui/src/*.ts)
  foreach(source ${page_sources})
    string(REGEX REPLACE "\\.ts$" ".js" script ${source})
    list(APPEND page_scripts ${CMAKE_BINARY_DIR}/ui/page/${script})
  endforeach()
  list(TRANSFORM page_sources PREPEND ${CMAKE_SOURCE_DIR}/ui/src/)
  set(page_files ${CMAKE_SOURCE_DIR}/ui/index.html ${CMAKE_SOURCE_DIR}/ui/style.css ${page_scripts})
  add_custom_command(
    OUTPUT ${page_scripts}
    COMMAND ${MILLRACE_TSC} --project ${CMAKE_SOURCE_DIR}/ui/tsconfig.json --outDir ${CMAKE_BINARY_DIR}/ui/page
    # tsc leaves files as old as they are when their text stays the same.
    COMMAND ${CMAKE_COMMAND} -E touch ${page_scripts}
    DEPENDS ${page_sources} ${CMAKE_SOURCE_DIR}/ui/tsconfig.json
    COMMENT "Compiling the web page"
    VERBATIM)
endif()

set(page_cpp ${CMAKE_BINARY_DIR}/ui/page_files.cpp)
add_custom_command(
  OUTPUT ${page_cpp}
  COMMAND ${CMAKE_COMMAND} "-DFILES=${page_files}" -DBUILD=${CMAKE_BINARY_DIR}/ui -DSOURCE=${CMAKE_SOURCE_DIR}/ui
          -DOUTPUT=${page_cpp} -P ${CMAKE_SOURCE_DIR}/cmake/embed_page.cmake
  DEPENDS ${page_files} ${CMAKE_SOURCE_DIR}/cmake/embed_page.cmake
  COMMENT "Embedding the web page"
  VERBATIM)
target_sources(millrace_management PRIVATE ${page_cpp})
