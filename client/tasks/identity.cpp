#include "client/tasks/identity.hpp"

#include <pthread.h>
#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <string_view>

#include "base/assert.hpp"

namespace millrace::tasks {
namespace {

// How often this process has come out of a fork, as far back as it knows.
std::atomic<unsigned> forks{0};

void count_forks() {
  static const int counting = pthread_atfork(nullptr, nullptr, [] { ++forks; });
  MILLRACE_ASSERT(counting == 0, "no memory to be told of forks");
}

// Random bytes cost a system call: taken for many ids at once.
struct RandomBytes {
  std::array<unsigned char, 4096> bytes;
  std::size_t used = sizeof bytes;
  unsigned taken_after = 0;  // a forked child must not repeat its parent's ids
};

const unsigned char* random_16() {
  thread_local RandomBytes pool;
  const unsigned now = forks.load(std::memory_order_relaxed);
  if (pool.used + 16 > pool.bytes.size() || pool.taken_after != now) {
    count_forks();
    std::size_t have = 0;
    while (have < pool.bytes.size()) {
      const ssize_t got = getrandom(pool.bytes.data() + have, pool.bytes.size() - have, 0);
      MILLRACE_ASSERT(got > 0 || errno == EINTR, "the system gives no random bytes");
      if (got > 0) have += static_cast<std::size_t>(got);
    }
    pool.used = 0;
    pool.taken_after = now;
  }
  const unsigned char* taken = pool.bytes.data() + pool.used;
  pool.used += 16;
  return taken;
}

}  // namespace

// A UUID of version 4 (RFC 9562 §5.4).
std::string make_id() {
  constexpr std::string_view kForm = "xxxxxxxx-xxxx-4xxx-Yxxx-xxxxxxxxxxxx";
  constexpr std::string_view kDigits = "0123456789abcdef";
  const unsigned char* random = random_16();
  std::string text(kForm);
  unsigned next = 0;  // half byte
  for (char& at : text) {
    if (at == '-') continue;
    const unsigned half = (random[next / 2] >> (next % 2 == 0 ? 4U : 0U)) & 15U;
    if (at != '4') at = kDigits[at == 'Y' ? (half & 3U) | 8U : half];
    ++next;
  }
  return text;
}

std::string host_name() {
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  return name.data();
}

}  // namespace millrace::tasks
