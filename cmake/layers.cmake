# One static library a layer, with the tests that lie beside its code.
#
#   millrace_layer(NAME [FOLDER src-folder] [DEPENDS layer...] [LIBRARIES lib...] [TEST_DEPENDS layer...]
#                  [ALONE regex])
#
# ALONE: sources that are compiled by themselves even with MILLRACE_UNITY_SIZE, since tables of theirs share names.
# Sources are the *.cpp of the folder and, unless the folder belongs to another layer, of the folders below it;
# *_test.cpp become the program NAME_tests. src/LAYERS says which layer may include which; tools/check_layers.py
# holds the tree against it.

set(MILLRACE_WARNINGS -Wall -Wextra -Wpedantic -Werror -Wshadow -Wnon-virtual-dtor -Wimplicit-fallthrough
    -Wswitch-enum -Wno-missing-field-initializers)

add_library(millrace_flags INTERFACE)
target_include_directories(millrace_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_definitions(millrace_flags INTERFACE BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_SEPARATE_COMPILATION)
target_compile_options(millrace_flags INTERFACE ${MILLRACE_WARNINGS} -fno-omit-frame-pointer)
# Below two gigabytes g++ need not look for memory to use again: it takes a quarter more of that, and a fifth less time.
target_compile_options(millrace_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:--param=ggc-min-heapsize=2000000>)
if(MILLRACE_SANITIZE)
  target_compile_options(millrace_flags INTERFACE -fsanitize=${MILLRACE_SANITIZE} -fno-sanitize-recover=all)
  target_link_options(millrace_flags INTERFACE -fsanitize=${MILLRACE_SANITIZE})
  # Most of such a program is tables of addresses. At a place of its own it needs none of them changed when it starts,
  # and is a third smaller; gold writes it in a third of the time.
  include(CheckLinkerFlag)
  check_linker_flag(CXX -fuse-ld=gold MILLRACE_HAS_GOLD)
  target_link_options(millrace_flags INTERFACE $<$<BOOL:${MILLRACE_HAS_GOLD}>:-fuse-ld=gold>)
  if(NOT MILLRACE_SANITIZE MATCHES thread)
    target_link_options(millrace_flags INTERFACE -no-pie)
  endif()
  if(MILLRACE_SANITIZE MATCHES undefined)
    # A third of the time to compile. A null or a wild pointer is an address that the other sanitizer knows, and sizes of
    # objects are known to the optimiser alone. Alignment is for the fuzzers, which read what comes from outside.
    target_compile_options(millrace_flags INTERFACE -fno-sanitize=null,pointer-overflow,object-size)
    if(NOT MILLRACE_FUZZ)
      target_compile_options(millrace_flags INTERFACE -fno-sanitize=alignment)
    endif()
  endif()
  if(MILLRACE_SANITIZE MATCHES thread AND CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    # g++ warns about every std::atomic_thread_fence, and takes instrumented variants for uninitialised.
    target_compile_options(millrace_flags INTERFACE -Wno-tsan -Wno-maybe-uninitialized)
  endif()
  if(MILLRACE_SANITIZE MATCHES undefined AND CMAKE_CXX_COMPILER_ID STREQUAL Clang)
    target_compile_options(millrace_flags INTERFACE -fno-sanitize=function)  # false reports with coroutines
  endif()
else()
  target_compile_options(millrace_flags INTERFACE -fstack-protector-strong)
endif()
if(MILLRACE_FUZZ)
  target_compile_options(millrace_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

option(MILLRACE_VERIFY_HEADERS "Compile each header alone as well" OFF)
set(MILLRACE_UNITY_SIZE 0 CACHE STRING "How many sources of most layers are compiled at a time: 4 halve the time of a clean build")

if(MILLRACE_TESTS OR MILLRACE_SIMULATION)
  find_package(GTest REQUIRED)
  enable_testing()
endif()

function(millrace_layer name)
  cmake_parse_arguments(arg "" "FOLDER;ALONE" "DEPENDS;LIBRARIES;TEST_DEPENDS" ${ARGN})
  if(NOT arg_FOLDER)
    set(arg_FOLDER ${name})
  endif()
  set(root ${CMAKE_SOURCE_DIR}/src/${arg_FOLDER})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${root}/*.cpp)
  if(name STREQUAL runtime)
    list(FILTER sources EXCLUDE REGEX "/runtime/os/")
  endif()
  list(FILTER sources EXCLUDE REGEX "/server/main\\.cpp$")
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")

  list(TRANSFORM arg_DEPENDS PREPEND millrace_)
  list(TRANSFORM arg_TEST_DEPENDS PREPEND millrace_)
  if(sources)
    add_library(millrace_${name} STATIC ${sources})
    target_link_libraries(millrace_${name} PUBLIC millrace_flags ${arg_DEPENDS} Boost::headers Threads::Threads ${arg_LIBRARIES})
    millrace_unity(millrace_${name} "${sources}" "${arg_ALONE}")
  else()
    add_library(millrace_${name} INTERFACE)
    target_link_libraries(millrace_${name} INTERFACE millrace_flags ${arg_DEPENDS} Boost::headers Threads::Threads ${arg_LIBRARIES})
  endif()

  if(MILLRACE_VERIFY_HEADERS)
    millrace_verify_headers(${name} ${root})
  endif()

  if(MILLRACE_TESTS AND tests)
    add_executable(${name}_tests ${tests})
    millrace_unity(${name}_tests "${tests}" "")
    target_link_libraries(${name}_tests PRIVATE millrace_${name} ${arg_TEST_DEPENDS} GTest::gtest_main)
    target_compile_definitions(${name}_tests PRIVATE MILLRACE_TEST_DATA="${CMAKE_SOURCE_DIR}/tests/data")
    add_test(NAME ${name}_tests COMMAND ${name}_tests)
    set_tests_properties(${name}_tests PROPERTIES TIMEOUT 600)
  endif()
endfunction()

# Half of a file's time is spent on its headers, which files that are compiled at a time share. The more they are the
# slower is the build after a change: what is optimised takes four, what is not takes eight.
function(millrace_unity target sources alone)
  if(NOT MILLRACE_UNITY_SIZE)
    return()
  endif()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${MILLRACE_UNITY_SIZE})
  # g++ takes a file that it includes for a header, in which types would not belong into anonymous namespaces.
  target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
  # What is Boost's, compiled, stands in two libraries of one program; the linker takes it once if it is an
  # object of its own.
  list(APPEND alone "/(asio|asio_ssl|json)\\.cpp$")
  list(JOIN alone "|" alone)
  list(FILTER sources INCLUDE REGEX "${alone}")
  set_source_files_properties(${sources} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endfunction()

# A header that compiles alone needs nobody to include something else first: each becomes a source of its own.
function(millrace_verify_headers name root)
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}/src ${root}/*.hpp)
  list(FILTER headers EXCLUDE REGEX "_test[a-z_]*\\.hpp$")
  if(name STREQUAL runtime)
    list(FILTER headers EXCLUDE REGEX "^runtime/os/")
  endif()
  set(units)
  foreach(header ${headers})
    set(unit ${CMAKE_BINARY_DIR}/headers/${header}.cpp)
    file(CONFIGURE OUTPUT ${unit} CONTENT "#include \"${header}\"\n")
    list(APPEND units ${unit})
  endforeach()
  if(units)
    add_library(millrace_${name}_headers OBJECT ${units})
    target_link_libraries(millrace_${name}_headers PRIVATE millrace_${name})
  endif()
endfunction()
