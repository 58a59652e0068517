// The loop of a seeded test. Included by tests only (it needs GoogleTest).
#pragma once

#include <errno.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

namespace millrace::simulation {

// What to type to run this seed again; kept where a signal handler may read it.
struct Replay {
  static inline char line[512];

  static void set(std::uint64_t seed) {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    std::snprintf(line, sizeof line, "replay: MILLRACE_SEED=%llu %s --gtest_filter=%s.%s\n",
                  static_cast<unsigned long long>(seed), program_invocation_name, test->test_suite_name(),
                  test->name());
  }
  static void print_on_abort(int) {
    [[maybe_unused]] const auto written = ::write(2, line, std::strlen(line));
  }
};

// How many seeds a test tries. Under sanitizers and without optimisation a seed costs about forty times as
// much, so what the sanitizers watch are the first few of those that the optimised build tries.
struct Seeds {
  constexpr Seeds(std::uint64_t n) : watched(n), fast(n) {}
  constexpr Seeds(std::uint64_t n, std::uint64_t optimised) : watched(n), fast(optimised) {}
  std::uint64_t watched;
  std::uint64_t fast;
};

#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
inline constexpr bool kFastSeeds = true;
#else
inline constexpr bool kFastSeeds = false;
#endif

namespace detail {

struct Range {
  std::uint64_t first = 1;
  std::uint64_t count = 0;
};

inline Range seeds_of_environment(Seeds seeds) {
  if (const char* only = std::getenv("MILLRACE_SEED")) return {std::strtoull(only, nullptr, 10), 1};
  if (const char* many = std::getenv("MILLRACE_SEEDS")) return {1, std::strtoull(many, nullptr, 10)};
  return {1, kFastSeeds ? seeds.fast : seeds.watched};
}

// Every `stride`th seed of the range.
template <class Check>
void run_seeds(Range range, std::uint64_t stride, Check& check) {
  const auto old_handler = std::signal(SIGABRT, Replay::print_on_abort);
  for (std::uint64_t i = 0; i < range.count; i += stride) {
    const std::uint64_t seed = range.first + i;
    Replay::set(seed);
    std::string thrown;
    try {
      check(seed);
    } catch (const std::exception& error) {
      thrown = error.what();
    }
    if (thrown.empty() && !::testing::Test::HasFailure()) continue;
    ADD_FAILURE() << thrown << "\n" << Replay::line;
    break;
  }
  std::signal(SIGABRT, old_handler);
}

}  // namespace detail

// Calls check(seed) for so many seeds and stops at the first that fails, with one line that replays it; an
// assertion that ends the process prints the line, too. The environment has the last word: MILLRACE_SEED=n
// runs that seed alone, MILLRACE_SEEDS=n runs n of them.
template <class Check>
void for_each_seed(Seeds seeds, Check check) {
  detail::run_seeds(detail::seeds_of_environment(seeds), 1, check);
}

// Likewise, in MILLRACE_JOBS processes (2 unless told), each with its share of the seeds: for checks that
// keep nothing from one seed to the next. Where sanitizers watch there is one process, so that they can
// report.
template <class Check>
void for_each_seed_in_parallel(Seeds seeds, Check check) {
  const detail::Range range = detail::seeds_of_environment(seeds);
  const char* asked = std::getenv("MILLRACE_JOBS");
  const std::uint64_t jobs = kFastSeeds ? asked ? std::strtoull(asked, nullptr, 10) : 2 : 1;
  if (jobs <= 1 || range.count <= jobs) return detail::run_seeds(range, 1, check);
  std::fflush(nullptr);
  std::vector<pid_t> children;
  for (std::uint64_t job = 0; job < jobs; ++job) {
    const pid_t child = ::fork();
    if (child == 0) {
      detail::run_seeds({range.first + job, range.count - job}, jobs, check);
      std::fflush(nullptr);
      ::_exit(::testing::Test::HasFailure() ? EXIT_FAILURE : EXIT_SUCCESS);
    }
    if (child < 0) {
      ADD_FAILURE() << "cannot start a process: " << std::strerror(errno);
      break;
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "a seed failed; the line above replays it";
  }
}

}  // namespace millrace::simulation
