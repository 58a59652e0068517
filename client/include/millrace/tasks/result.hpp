// What became of a call.
#pragma once

#include <boost/json.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "millrace/completion.hpp"
#include "millrace/tasks/errors.hpp"

namespace millrace::tasks {

// Celery's states. A task may make up more of them by Context::set_state; those are `custom`.
enum class State { pending, received, started, retry, custom, success, failure, revoked };

std::string_view to_string(State state) noexcept;  // as Celery writes them: "PENDING"
inline bool is_final(State state) noexcept {
  return state == State::success || state == State::failure || state == State::revoked;
}

// What is known of a call at one time.
struct Status {
  State state = State::pending;
  std::string name = "PENDING";  // Celery's word, or the task's own
  boost::json::value value;      // of SUCCESS the result, of custom states what came with them
  std::string error_type;
  std::string error_text;
  std::string traceback;
};

template <class R>
class Result;

namespace detail {

class ResultState;

template <class R>
std::shared_ptr<ResultState>& untyped(Result<R>& result) noexcept;

void start_wait(ResultState& state, millrace::detail::Completion<boost::json::value> done);
boost::json::value wait(ResultState& state, std::chrono::milliseconds timeout);
Status status(const ResultState& state);
const std::string& id(const ResultState& state);
const Executor& executor(const ResultState& state);
void listen(ResultState& state, std::function<void(const Status&)> listener);
void cancel(ResultState& state, bool running_too);

template <class R>
R convert(const boost::json::value& value) {
  if constexpr (!std::is_void_v<R>) {
    try {
      return boost::json::value_to<R>(value);
    } catch (const std::exception& error) {
      throw ClientError(ErrorKind::codec, "the result " + boost::json::serialize(value).substr(0, 200) +
                                              " does not fit its type: " + text_of(error));
    }
  }
}

// R's default, for an operation that failed.
template <class R>
void start_get(ResultState& state, millrace::detail::Completion<R> done) {
  auto held = std::make_shared<millrace::detail::Completion<R>>(std::move(done));
  auto arrived = [held](std::exception_ptr error, const boost::json::value& value) {
    R result{};
    if (!error) {
      try {
        result = convert<R>(value);
      } catch (...) {
        error = std::current_exception();
      }
    }
    held->later(std::move(error), std::move(result));
  };
  start_wait(state, millrace::detail::Completion<boost::json::value>(std::move(arrived), executor(state)));
}

inline void start_get_nothing(ResultState& state, millrace::detail::Completion<> done) {
  auto held = std::make_shared<millrace::detail::Completion<>>(std::move(done));
  auto arrived = [held](std::exception_ptr error, const boost::json::value&) {
    held->later(std::move(error));
  };
  start_wait(state, millrace::detail::Completion<boost::json::value>(std::move(arrived), executor(state)));
}

}  // namespace detail

// A handle; copies are of the same call. Any thread. Results come to the producer that submitted the call, as
// long as it lives.
template <class R>
class Result {
 public:
  Result() = default;
  explicit Result(std::shared_ptr<detail::ResultState> state) : state_(std::move(state)) {}

  explicit operator bool() const noexcept { return state_ != nullptr; }
  const std::string& id() const { return detail::id(*state_); }
  Status status() const { return detail::status(*state_); }
  // Where callbacks run that are bound to nothing else.
  const Executor& executor() const { return detail::executor(*state_); }

  // Waits for the result; throws TaskFailed, or ErrorKind::timed_out when the time is over (the task goes
  // on).
  R get(std::chrono::milliseconds timeout = std::chrono::hours(24)) const {
    return detail::convert<R>(detail::wait(*state_, timeout));
  }

  // The same with a completion token: `int sum = co_await result.async_get();`
  template <class Token = DefaultToken>
  auto async_get(Token&& token = Token()) const {
    using millrace::detail::Initiation;
    const Executor& executor = detail::executor(*state_);
    if constexpr (std::is_void_v<R>) {
      return boost::asio::async_initiate<Token, void(std::exception_ptr)>(
          Initiation<detail::ResultState, &detail::start_get_nothing>(state_, executor), token);
    } else {
      return boost::asio::async_initiate<Token, void(std::exception_ptr, R)>(
          Initiation<detail::ResultState, &detail::start_get<R>, R>(state_, executor), token);
    }
  }

  // Hears every later state: STARTED, RETRY, what the task reports by Context::progress, and the last one.
  void on_status(std::function<void(const Status&)> listener) const {
    detail::listen(*state_, std::move(listener));
  }

  // Asks all workers that are connected not to begin it, and, `running_too`, to stop it if it has begun:
  // cooperatively on a thread, by SIGTERM and SIGKILL in a process. Its state becomes REVOKED if that was in
  // time. What cancels a Dag is said there. Blocks until the broker has it; throws a ClientError.
  void cancel(bool running_too = true) const { detail::cancel(*state_, running_too); }

 private:
  template <class Any>
  friend std::shared_ptr<detail::ResultState>& detail::untyped(Result<Any>& result) noexcept;
  std::shared_ptr<detail::ResultState> state_;
};

namespace detail {

template <class R>
std::shared_ptr<ResultState>& untyped(Result<R>& result) noexcept {
  return result.state_;
}

}  // namespace detail
}  // namespace millrace::tasks
