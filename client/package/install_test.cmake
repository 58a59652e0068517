# Installs libraries into a folder of their own, and has a project build against them: by find_package, then by pkg-config.
# cmake -D BUILD=build-folder -D LIBRARIES=client,... -D PACKAGE=pkg-config's -D SOURCE=consumer -D COMPILER=c++
#       -D SANITIZE=... -P install_test.cmake

set(work ${BUILD}/install_test/${PACKAGE})
file(REMOVE_RECURSE ${work})

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${ARGN}\n${output}")
  endif()
  set(output "${output}" PARENT_SCOPE)
endfunction()

set(flags)
if(SANITIZE)
  set(flags -fsanitize=${SANITIZE})  # the archive was built so
endif()

string(REPLACE "," ";" LIBRARIES ${LIBRARIES})
foreach(library ${LIBRARIES})
  run(${CMAKE_COMMAND} --install ${BUILD}/${library} --prefix ${work}/prefix)
endforeach()
run(${CMAKE_COMMAND} -S ${SOURCE} -B ${work}/build -D CMAKE_PREFIX_PATH=${work}/prefix -D CMAKE_CXX_COMPILER=${COMPILER}
    -D CMAKE_CXX_FLAGS=${flags})
run(${CMAKE_COMMAND} --build ${work}/build)
run(${work}/build/consumer)

file(GLOB_RECURSE description ${work}/prefix/${PACKAGE}.pc)
get_filename_component(folder ${description} DIRECTORY)
set(ENV{PKG_CONFIG_PATH} ${folder})
run(pkg-config --cflags --libs ${PACKAGE})
separate_arguments(output UNIX_COMMAND "${output}")
run(${COMPILER} -std=c++20 ${flags} ${SOURCE}/main.cpp -o ${work}/by_pkg_config ${output})
run(${work}/by_pkg_config)

# What failed is left to look at; what passed would only take room.
file(REMOVE_RECURSE ${work})
