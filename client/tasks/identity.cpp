#include "client/tasks/identity.hpp"

#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <cstdint>

#include "base/assert.hpp"
#include "base/hex.hpp"

namespace millrace::tasks {
namespace {

// Random bytes cost a system call: taken for many ids at once.
struct RandomBytes {
  std::array<unsigned char, 4096> bytes;
  std::size_t used = sizeof bytes;
  pid_t owner = 0;  // a forked child must not repeat its parent's ids
};

const unsigned char* random_16() {
  thread_local RandomBytes pool;
  const pid_t self = getpid();
  if (pool.used + 16 > pool.bytes.size() || pool.owner != self) {
    std::size_t have = 0;
    while (have < pool.bytes.size()) {
      const ssize_t got = getrandom(pool.bytes.data() + have, pool.bytes.size() - have, 0);
      MILLRACE_ASSERT(got > 0 || errno == EINTR, "the system gives no random bytes");
      if (got > 0) have += static_cast<std::size_t>(got);
    }
    pool.used = 0;
    pool.owner = self;
  }
  const unsigned char* taken = pool.bytes.data() + pool.used;
  pool.used += 16;
  return taken;
}

}  // namespace

std::string make_id() {
  std::array<unsigned char, 16> bytes;
  const unsigned char* random = random_16();
  for (std::size_t i = 0; i < 16; ++i) bytes[i] = random[i];
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0f) | 0x40);  // version 4
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3f) | 0x80);  // variant
  std::string text;
  text.reserve(36);
  for (std::size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    put_hex(text, bytes[i], 2);
  }
  return text;
}

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  return name.data();
}

}  // namespace millrace::tasks
