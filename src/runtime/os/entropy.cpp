#include "runtime/os/entropy.hpp"

#include <sys/random.h>

#include <cerrno>

#include "base/assert.hpp"

namespace millrace::runtime {

void fill_random(std::span<std::uint8_t> out) noexcept {
  while (!out.empty()) {
    const ssize_t got = ::getrandom(out.data(), out.size(), 0);
    if (got < 0) {
      MILLRACE_ASSERT(errno == EINTR, "the kernel gives no random bytes");
      continue;
    }
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

}  // namespace millrace::runtime
