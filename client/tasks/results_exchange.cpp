#include "client/tasks/results_exchange.hpp"

#include <utility>

#include "client/src/encoded.hpp"

namespace millrace::tasks {
namespace {

// Each refusal closes a channel. Permissions are given, and exchanges made, by people.
constexpr std::chrono::seconds kLeftAlone{60};
// After which time who waits has looked anyway.
constexpr std::chrono::seconds kOfUse{5};

bool is_refusal(const std::exception_ptr& error) {
  const ErrorKind kind = Failure(error).kind();
  return kind == ErrorKind::access_refused || kind == ErrorKind::not_found ||
         kind == ErrorKind::precondition || kind == ErrorKind::not_allowed ||
         kind == ErrorKind::not_supported || kind == ErrorKind::broker;
}

}  // namespace

void ResultsExchange::declare() {
  {
    const std::lock_guard lock(mutex_);
    if (Clock::now() < declare_at_) return;
    declare_at_ = Clock::time_point::max();
  }
  // One that may not declare it may still use it, so that is no refusal yet.
  auto declared = [self = shared_from_this()](std::exception_ptr error) {
    if (!error) return;
    const std::lock_guard lock(self->mutex_);
    self->declare_at_ = is_refusal(error) ? Clock::now() + kLeftAlone : Clock::time_point();
  };
  client_.async_declare_exchange(ExchangeSpec(kResultsExchange), std::move(declared));
}

void ResultsExchange::tell(const std::string& id) {
  if (is_refused()) return;
  Message notice;
  notice.persistent = false;
  notice.mandatory = false;
  notice.timeout = kOfUse;
  auto told = [self = shared_from_this()](const std::exception_ptr& error) { self->note(error); };
  client::publish_aside(client_, Address(kResultsExchange, id), std::move(notice),
                        millrace::detail::Completion<>(std::move(told), client_.executor()));
}

bool ResultsExchange::is_refused() const {
  const std::lock_guard lock(mutex_);
  return Clock::now() < refused_until_;
}

void ResultsExchange::note(const std::exception_ptr& error) {
  if (!is_refusal(error)) return;
  const std::lock_guard lock(mutex_);
  const bool by_limit = Failure(error).kind() == ErrorKind::not_allowed;
  refused_until_ = by_limit ? Clock::time_point::max() : Clock::now() + kLeftAlone;
  declare_at_ = refused_until_;  // somebody may have deleted it
}

}  // namespace millrace::tasks
