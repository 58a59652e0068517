# Tests that read the sources rather than run them (ctest -L checks): each tool holds the tree to one rule, and its
# self-test shows that it would notice a violation.

if(NOT MILLRACE_TESTS)
  return()
endif()
find_package(Python3 COMPONENTS Interpreter)
if(NOT Python3_Interpreter_FOUND)
  message(WARNING "python3 is missing: the checks of layers, co_await and forbidden calls are not run")
  return()
endif()

foreach(check check_layers lint_coawait check_forbidden)
  add_test(NAME ${check} COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/${check}.py)
  add_test(NAME ${check}_self_test COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/${check}.py --self-test)
  list(APPEND checks ${check} ${check}_self_test)
endforeach()
add_test(NAME generate_amqp091 COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/generate_amqp091.py --check)
list(APPEND checks generate_amqp091)
# The totals that scripts/test closes with are only worth something if a failure is counted as one.
add_test(NAME count_tests_self_test COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/count_tests.py --self-test)
add_test(NAME soak_self_test COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/soak --self-test)
set_tests_properties(${checks} count_tests_self_test soak_self_test PROPERTIES LABELS checks TIMEOUT 120
                     ENVIRONMENT PYTHONDONTWRITEBYTECODE=1)
