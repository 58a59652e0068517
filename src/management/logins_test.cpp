// A wrong password costs whoever guesses time, by whichever way it is given.
#include <gtest/gtest.h>

#include <vector>

#include "broker/access/login_guard.hpp"
#include "management/simulated_api_test.hpp"

namespace millrace::management {
namespace {

using runtime::Milliseconds;

class Logins : public testing::Test {
 protected:
  static CallRef with_header(const std::string& user, const std::string& password) {
    CallRef call = SimulatedApi::make_call("GET", "/api/whoami", "");
    call->authorization = SimulatedApi::basic(user, password);
    return call;
  }
  static CallRef with_form(const std::string& user, const std::string& password) {
    CallRef call =
        SimulatedApi::make_call("POST", "/api/login", "username=" + user + "&password=" + password);
    call->headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
    return call;
  }
  // How long the answer took, by the broker's clock.
  Milliseconds time(const CallRef& call, unsigned status) {
    const runtime::Nanoseconds begun = api.now();
    EXPECT_EQ(api.ask(call).status, status);
    return std::chrono::duration_cast<Milliseconds>(api.now() - begun);
  }

  SimulatedApi api;
};

constexpr Milliseconds kWork{50};  // what a login takes that nobody delays

TEST_F(Logins, that_fail_take_longer_each_time_by_header_and_by_form) {
  for (const auto call : {with_header, with_form}) {
    const std::string user = call == with_form ? "ann" : "ben";
    Milliseconds delay{broker::LoginGuard::kFirstDelayMs};
    for (int guess = 0; guess < 4; ++guess, delay *= 2) {
      const Milliseconds taken = time(call(user, "guess"), 401);
      EXPECT_GE(taken, delay + Api::kFailedLoginDelay) << user << " " << guess;
      EXPECT_LT(taken, delay + Api::kFailedLoginDelay + kWork) << user << " " << guess;
    }
  }
}

TEST_F(Logins, that_are_right_wait_for_nothing) {
  EXPECT_GE(time(with_form("guest", "wrong"), 401), Api::kFailedLoginDelay);
  EXPECT_LT(time(with_form("guest", "guest"), 200), kWork);
  EXPECT_LT(time(with_header("guest", "guest"), 200), kWork);
}

TEST_F(Logins, that_fail_by_form_delay_those_by_header) {
  for (int guess = 0; guess < 3; ++guess) time(with_form("ann", "guess"), 401);
  EXPECT_GE(time(with_header("ann", "guess"), 401), Milliseconds(800));
}

TEST_F(Logins, give_their_places_back) {
  time(with_form("ann", "guess"), 401);
  for (std::size_t i = 0; i <= Api::kMaxLogins; ++i) time(with_header("guest", "guest"), 200);
}

}  // namespace
}  // namespace millrace::management
