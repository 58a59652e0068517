# Debian packages by CPack: `millrace` (component server, with the service) and `millrace-dev` (component dev). What is in
# packaging/debian is installed by a package alone; scripts/package builds both.

set(MILLRACE_MAINTAINER "Millrace contributors <packages@millrace.invalid>" CACHE STRING "Whom the packages name")

# -- What the program prints of itself ---------------------------------------------------------------------------------

include(GNUInstallDirs)
find_package(Python3 COMPONENTS Interpreter)
install(CODE "
  set(to \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_DATADIR}\")
  set(program \"$<TARGET_FILE:millrace>\")
  function(write_output file)
    get_filename_component(folder \${file} DIRECTORY)
    file(MAKE_DIRECTORY \${folder})
    execute_process(COMMAND \${ARGN} OUTPUT_FILE \${file} COMMAND_ERROR_IS_FATAL ANY)
    message(STATUS \"Installing: \${file}\")
  endfunction()
  write_output(\${to}/bash-completion/completions/millrace \${program} completion bash)
  write_output(\${to}/zsh/vendor-completions/_millrace \${program} completion zsh)
  write_output(\${to}/fish/vendor_completions.d/millrace.fish \${program} completion fish)
  if(EXISTS \"${Python3_EXECUTABLE}\")
    set(page \${to}/man/man1/millrace.1)
    write_output(\${page} ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/make_man_page.py \${program})
    find_program(GZIP gzip)
    if(GZIP)
      execute_process(COMMAND \${GZIP} -9nf \${page} COMMAND_ERROR_IS_FATAL ANY)
    endif()
  else()
    message(STATUS \"No man page: python3 is missing\")
  endif()
" COMPONENT server)

# -- What only a package has -------------------------------------------------------------------------------------------

set(debian ${CMAKE_SOURCE_DIR}/packaging/debian)
install(FILES ${debian}/millrace.service DESTINATION /lib/systemd/system COMPONENT debian EXCLUDE_FROM_ALL)
install(FILES ${debian}/millrace.toml DESTINATION /etc/millrace COMPONENT debian EXCLUDE_FROM_ALL)
foreach(package millrace millrace-dev)
  string(REGEX REPLACE "^millrace$" debian component ${package})
  string(REGEX REPLACE "^millrace-" debian_ component ${component})
  set(documents ${CMAKE_INSTALL_DATADIR}/doc/${package})
  install(FILES ${debian}/copyright DESTINATION ${documents} COMPONENT ${component} EXCLUDE_FROM_ALL)
  install(CODE "
    execute_process(COMMAND gzip -9nc ${debian}/changelog COMMAND_ERROR_IS_FATAL ANY
                    OUTPUT_FILE \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${documents}/changelog.Debian.gz\")
  " COMPONENT ${component} EXCLUDE_FROM_ALL)
endforeach()
install(FILES ${CMAKE_SOURCE_DIR}/README.md ${CMAKE_SOURCE_DIR}/README.zh-CN.md DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/millrace
        COMPONENT debian EXCLUDE_FROM_ALL)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/docs DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/millrace COMPONENT debian EXCLUDE_FROM_ALL
        PATTERN decisions EXCLUDE PATTERN development.md EXCLUDE)
install(DIRECTORY ${CMAKE_SOURCE_DIR}/packaging/prometheus DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/millrace/examples
        COMPONENT debian EXCLUDE_FROM_ALL)
# The compiler's notes for debuggers make the archives twenty times as large.
install(CODE "
  if(CMAKE_INSTALL_DO_STRIP)
    file(GLOB archives \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/libmillrace*.a\")
    execute_process(COMMAND ${CMAKE_STRIP} --strip-debug \${archives} COMMAND_ERROR_IS_FATAL ANY)
  endif()
" COMPONENT debian_dev EXCLUDE_FROM_ALL)

# -- The packages ------------------------------------------------------------------------------------------------------

set(CPACK_GENERATOR DEB)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ONE_PER_GROUP)
set(CPACK_COMPONENTS_ALL server debian dev debian_dev)
set(CPACK_COMPONENT_SERVER_GROUP program)
set(CPACK_COMPONENT_DEBIAN_GROUP program)
set(CPACK_COMPONENT_DEV_GROUP dev)
set(CPACK_COMPONENT_DEBIAN_DEV_GROUP dev)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
    WORLD_READ WORLD_EXECUTE)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGE_NAME millrace)
set(CPACK_PACKAGE_CONTACT ${MILLRACE_MAINTAINER})
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME millrace)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_DEPENDS adduser)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SUGGESTS "libldap-2.5-0 | libldap2")  # loaded when a directory is configured
set(CPACK_DEBIAN_PROGRAM_PACKAGE_CONTROL_EXTRA ${debian}/postinst ${debian}/prerm ${debian}/postrm ${debian}/conffiles)
set(CPACK_DEBIAN_PROGRAM_DESCRIPTION "message broker that speaks AMQP 0-9-1 as RabbitMQ does
Millrace serves the programs and client libraries that are written for
RabbitMQ: exchanges, queues, confirms, dead letters, policies, the
management HTTP API and a web page. It is one native program and one data
directory.
.
With it come a systemd service and the command line millrace(1), which under
the name rabbitmqctl (in /usr/lib/millrace) takes RabbitMQ's commands.")

set(CPACK_DEBIAN_DEV_PACKAGE_NAME millrace-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "libboost1.81-dev | libboost-dev (>= 1.81), libpcre2-dev, libsqlite3-dev, libssl-dev")
set(CPACK_DEBIAN_DEV_DESCRIPTION "C++20 library for message brokers, and the Millrace broker as a library
libmillrace talks AMQP 0-9-1 with a broker and keeps its connection up by
itself; callbacks, futures and coroutines are served. Queues and events
inside one process come with it, and libmillrace_embedded runs the broker
inside a program.")

include(CPack)
