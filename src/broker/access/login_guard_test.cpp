#include "broker/access/login_guard.hpp"

#include <gtest/gtest.h>

namespace millrace::broker {
namespace {

TEST(LoginGuard, waits_longer_after_each_failure_of_a_source_and_user) {
  LoginGuard guard;
  EXPECT_EQ(guard.wait_ms("10.0.0.1", "ann", 0), 0);
  EXPECT_EQ(guard.failed("10.0.0.1", "ann", 0), 100);
  EXPECT_EQ(guard.wait_ms("10.0.0.1", "ann", 0), 100);
  EXPECT_EQ(guard.failed("10.0.0.1", "ann", 100), 200);
  EXPECT_EQ(guard.failed("10.0.0.1", "ann", 300), 400);
  EXPECT_EQ(guard.wait_ms("10.0.0.1", "ann", 700), 0);
  // Side by side they wait one behind the other.
  EXPECT_EQ(guard.wait_ms("10.0.0.1", "ann", 700), 400);
  EXPECT_EQ(guard.wait_ms("10.0.0.1", "ann", 700), 800);
  // Neither others there nor the same elsewhere.
  EXPECT_EQ(guard.wait_ms("10.0.0.1", "bob", 300), 0);
  EXPECT_EQ(guard.wait_ms("10.0.0.2", "ann", 300), 0);
}

TEST(LoginGuard, has_a_longest_delay_and_refuses_a_queue_of_attempts) {
  LoginGuard guard;
  std::int64_t delay = 0;
  for (int i = 0; i < 20; ++i) delay = guard.failed("a", "u", 0);
  EXPECT_EQ(delay, LoginGuard::kMaxDelayMs);
  EXPECT_EQ(guard.wait_ms("a", "u", 0), LoginGuard::kMaxDelayMs);
  EXPECT_LT(guard.wait_ms("a", "u", 0), 0);
  EXPECT_EQ(guard.wait_ms("a", "u", 2 * LoginGuard::kMaxDelayMs), 0);
}

TEST(LoginGuard, forgets_after_a_success_and_after_a_while) {
  LoginGuard guard;
  guard.failed("a", "u", 0);
  guard.succeeded("a", "u", 0);
  EXPECT_EQ(guard.wait_ms("a", "u", 1), 0);
  EXPECT_EQ(guard.failed("a", "u", 1), 100);
  guard.failed("b", "v", 1 + LoginGuard::kForgetMs);
  EXPECT_EQ(guard.failed("a", "u", 1 + LoginGuard::kForgetMs), 100);
}

TEST(LoginGuard, slows_a_source_that_tries_many_names) {
  LoginGuard guard;
  for (unsigned i = 0; i < LoginGuard::kFreeForSource; ++i) guard.failed("a", "u" + std::to_string(i), 0);
  EXPECT_EQ(guard.wait_ms("a", "new", 0), 0);
  for (int i = 0; i < 3; ++i) guard.failed("a", "v" + std::to_string(i), 0);
  EXPECT_GT(guard.wait_ms("a", "new", 0), 0);
}

TEST(LoginGuard, lets_a_name_in_that_is_known_there_whatever_others_do) {
  LoginGuard guard;
  guard.succeeded("a", "known", 0);
  for (unsigned i = 0; i < 2 * LoginGuard::kFreeForSource; ++i) guard.failed("a", "u" + std::to_string(i), 0);
  EXPECT_GT(guard.wait_ms("a", "other", 0), 0);
  EXPECT_EQ(guard.wait_ms("a", "known", 0), 0);
  EXPECT_EQ(guard.wait_ms("a", "known", 0), 0);
  // But guesses of its own password wait as before.
  EXPECT_GT(guard.failed("a", "known", 0), 0);
  EXPECT_GT(guard.wait_ms("a", "known", 0), 0);
  for (unsigned i = 0; i < 2 * LoginGuard::kFreeForSource; ++i)
    guard.failed("a", "later" + std::to_string(i), LoginGuard::kKnownMs - 1);
  EXPECT_EQ(guard.wait_ms("a", "known", LoginGuard::kKnownMs - 1), 0);
  EXPECT_GT(guard.wait_ms("a", "known", LoginGuard::kKnownMs), 0);
}

TEST(LoginGuard, counts_a_name_that_fails_again_and_again_once) {
  LoginGuard guard;
  for (unsigned i = 0; i < 10 * LoginGuard::kFreeForSource; ++i) guard.failed("a", "misconfigured", i * 5000);
  EXPECT_EQ(guard.wait_ms("a", "other", 0), 0);
}

TEST(LoginGuard, is_bounded) {
  LoginGuard guard;
  for (std::size_t i = 0; i < LoginGuard::kMaxEntries + 1000; ++i)
    guard.failed("s" + std::to_string(i), "u", 5);
  EXPECT_LE(guard.size(), LoginGuard::kMaxEntries + 1);
  for (std::size_t i = 0; i < LoginGuard::kMaxEntries + 1000; ++i)
    guard.succeeded("s" + std::to_string(i), "u", 5);
  EXPECT_LE(guard.size(), 2 * LoginGuard::kMaxEntries);
  guard.wait_ms("a", "u", 5 + LoginGuard::kKnownMs);
  EXPECT_EQ(guard.size(), 0u);
}

}  // namespace
}  // namespace millrace::broker
