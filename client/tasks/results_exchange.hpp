// Notices that a call has ended whose result is kept (kept_result.hpp), so that who waits for it need not
// look over and over: a durable direct exchange, `millrace.results`, that takes them by the call's id.
// Whoever ends such a call sends one; who waits has its reply queue bound to the exchange meanwhile
// (subscriptions.hpp).
//
// A notice is empty: the outcome, which may have 16 MiB, is in its queue, and most often nobody waits. It is
// transient, and nobody is told when it is lost, or when this user may not declare the exchange, publish to
// it or bind: who waits then finds the result at a later look. What was refused is left alone for a minute,
// or for good where a limit of the broker was in the way, which ends connections.
#pragma once

#include <chrono>
#include <exception>
#include <memory>
#include <mutex>
#include <string>

#include "millrace/client.hpp"

namespace millrace::tasks {

inline constexpr const char* kResultsExchange = "millrace.results";

// Any thread. Held by a shared_ptr.
class ResultsExchange : public std::enable_shared_from_this<ResultsExchange> {
 public:
  explicit ResultsExchange(Client& client) : client_(client) {}

  // Asks for it, the first time, and does not wait: it is there before whatever is declared next.
  void declare();
  // The call has ended, and who looks finds how.
  void tell(const std::string& id);

  // The broker has refused something of it less than a minute ago.
  bool is_refused() const;
  // What came of something of it: makes it so, if that is a refusal.
  void note(const std::exception_ptr& error);

 private:
  using Clock = std::chrono::steady_clock;

  Client& client_;
  mutable std::mutex mutex_;
  Clock::time_point declare_at_{};  // not before
  Clock::time_point refused_until_{};
};

}  // namespace millrace::tasks
