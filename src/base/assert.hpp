// Assertions that stay on in every build: a broken invariant stops the process before it can harm stored
// data.
//
// Use result<T> for what the outside world can cause; MILLRACE_ASSERT only for what would be our own bug.
#pragma once

#include <source_location>
#include <string_view>

namespace millrace {

// Prints the place and the reason on standard error and aborts.
[[noreturn]] void assertion_failed(std::string_view expression, std::string_view reason,
                                   std::source_location where = std::source_location::current()) noexcept;

}  // namespace millrace

#define MILLRACE_ASSERT(condition, reason)              \
  do {                                                  \
    if (!(condition)) [[unlikely]]                      \
      ::millrace::assertion_failed(#condition, reason); \
  } while (false)
