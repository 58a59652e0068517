#include "base/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace millrace {

void assertion_failed(std::string_view expression, std::string_view reason, const char* file,
                      unsigned line) noexcept {
  std::fprintf(stderr, "millrace: %s:%u: assertion failed: %.*s (%.*s)\n", file, line,
               static_cast<int>(expression.size()), expression.data(), static_cast<int>(reason.size()),
               reason.data());
  std::fflush(stderr);
  std::abort();
}

}  // namespace millrace
