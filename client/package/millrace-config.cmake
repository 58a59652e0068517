include(CMakeFindDependencyMacro)
find_dependency(Threads)
find_dependency(OpenSSL)
find_dependency(SQLite3)
find_dependency(Boost 1.81 OPTIONAL_COMPONENTS json)  # of millrace::tasks alone
include(${CMAKE_CURRENT_LIST_DIR}/millrace-targets.cmake)

# The broker as a library: find_package(millrace COMPONENTS embedded), where it is installed.
foreach(component ${millrace_FIND_COMPONENTS})
  set(targets ${CMAKE_CURRENT_LIST_DIR}/millrace-${component}-targets.cmake)
  if(EXISTS ${targets})
    include(${targets})
    set(millrace_${component}_FOUND TRUE)
  elseif(millrace_FIND_REQUIRED_${component})
    set(millrace_FOUND FALSE)
    set(millrace_NOT_FOUND_MESSAGE "the component ${component} of millrace is not installed")
  endif()
endforeach()
