# The description of the HTTP API, src/management/openapi/*.json, put into millrace_management as text.

file(GLOB openapi_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/management/openapi/*.json)
set(openapi_cpp ${CMAKE_BINARY_DIR}/openapi_parts.cpp)
add_custom_command(
  OUTPUT ${openapi_cpp}
  COMMAND ${CMAKE_COMMAND} "-DFILES=${openapi_files}" -DOUTPUT=${openapi_cpp} -P ${CMAKE_SOURCE_DIR}/cmake/embed_openapi.cmake
  DEPENDS ${openapi_files} ${CMAKE_SOURCE_DIR}/cmake/embed_openapi.cmake
  COMMENT "Embedding the description of the HTTP API"
  VERBATIM)
target_sources(millrace_management PRIVATE ${openapi_cpp})
