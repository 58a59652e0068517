// The loop of a seeded test. Included by tests only (it needs GoogleTest).
#pragma once

#include <errno.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace millrace::simulation {

// Calls check(seed) for `count` seeds and stops at the first that fails, with one line that replays it. The
// environment has the last word: MILLRACE_SEED=n runs that seed alone, MILLRACE_SEEDS=n runs n of them.
template <class Check>
void for_each_seed(std::uint64_t count, Check check) {
  std::uint64_t first = 1;
  if (const char* only = std::getenv("MILLRACE_SEED")) {
    first = std::strtoull(only, nullptr, 10);
    count = 1;
  } else if (const char* many = std::getenv("MILLRACE_SEEDS")) {
    count = std::strtoull(many, nullptr, 10);
  }
  for (std::uint64_t seed = first; seed - first < count; ++seed) {
    std::string thrown;
    try {
      check(seed);
    } catch (const std::exception& error) {
      thrown = error.what();
    }
    if (thrown.empty() && !::testing::Test::HasFailure()) continue;
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    const std::string replay = "MILLRACE_SEED=" + std::to_string(seed) + " " + program_invocation_name +
                               " --gtest_filter=" + test->test_suite_name() + "." + test->name();
    ADD_FAILURE() << thrown << "\nreplay: " << replay;
    return;
  }
}

}  // namespace millrace::simulation
