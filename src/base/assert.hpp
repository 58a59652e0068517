// Assertions that stay on in every build: a broken invariant stops the process before it can harm stored
// data.
//
// Use result<T> for what the outside world can cause; MILLRACE_ASSERT only for what would be our own bug.
#pragma once

#include <string_view>

namespace millrace {

// Prints the place and the reason on standard error and aborts. clang 14 has these builtins, but not what
// std::source_location needs.
[[noreturn]] void assertion_failed(std::string_view expression, std::string_view reason,
                                   const char* file = __builtin_FILE(),
                                   unsigned line = __builtin_LINE()) noexcept;

}  // namespace millrace

#define MILLRACE_ASSERT(condition, reason)              \
  do {                                                  \
    if (!(condition)) [[unlikely]]                      \
      ::millrace::assertion_failed(#condition, reason); \
  } while (false)
