// The loop of a seeded test. Included by tests only (it needs GoogleTest).
#pragma once

#include <errno.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>

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

// Calls check(seed) for `count` seeds and stops at the first that fails, with one line that replays it; an
// assertion that ends the process prints the line, too. The environment has the last word: MILLRACE_SEED=n
// runs that seed alone, MILLRACE_SEEDS=n runs n of them.
template <class Check>
void for_each_seed(std::uint64_t count, Check check) {
  std::uint64_t first = 1;
  if (const char* only = std::getenv("MILLRACE_SEED")) {
    first = std::strtoull(only, nullptr, 10);
    count = 1;
  } else if (const char* many = std::getenv("MILLRACE_SEEDS")) {
    count = std::strtoull(many, nullptr, 10);
  }
  const auto old_handler = std::signal(SIGABRT, Replay::print_on_abort);
  for (std::uint64_t seed = first; seed - first < count; ++seed) {
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

}  // namespace millrace::simulation
