// Promises with `then`: an outcome that comes later, and what is to happen with it.
//
//   client.async_publish("orders", body, millrace::use_promise)
//       .then([](const millrace::Receipt& receipt) { return receipt.attempts; })
//       .then([](unsigned attempts) { ... })
//       .fail([](millrace::Failure failure) { log(failure.text()); });
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "millrace/error.hpp"

namespace millrace {

template <class T = void>
class Promise;

namespace detail {

template <class T>
struct is_promise : std::false_type {};
template <class T>
struct is_promise<Promise<T>> : std::true_type {};
template <class T>
struct unwrapped {
  using type = T;
};
template <class T>
struct unwrapped<Promise<T>> {
  using type = T;
};

template <class F, class T>
struct then_result : std::invoke_result<F&, const T&> {};
template <class F>
struct then_result<F, void> : std::invoke_result<F&> {};

}  // namespace detail

// A handle to a shared outcome; copies are the same promise. Any thread. What is given to then and fail runs
// on the executor of the promise, each in the order it was given, also when the outcome is there already.
template <class T>
class Promise {
 public:
  using Value = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

  explicit Promise(boost::asio::any_io_executor executor) : state_(std::make_shared<State>()) {
    state_->executor = std::move(executor);
  }

  // The outcome, once; later ones are ignored.
  void resolve(Value value = {}) const { settle(std::move(value), nullptr); }
  void reject(std::exception_ptr error) const { settle(std::nullopt, std::move(error)); }

  // Calls f with the value and is the promise of what f returns (of what its promise becomes, if it returns
  // one). An error passes by, and an exception of f becomes one.
  template <class F>
  auto then(F f) const {
    using Result = typename detail::then_result<F, T>::type;
    using Next = Promise<typename detail::unwrapped<std::decay_t<Result>>::type>;
    const Next next(state_->executor);
    when_settled([next, f = std::make_shared<F>(std::move(f))](const std::optional<Value>& value,
                                                               std::exception_ptr error) {
      if (error) return next.reject(error);
      try {
        if constexpr (std::is_void_v<T>)
          pass(next, [&]() -> Result { return (*f)(); });
        else
          pass(next, [&]() -> Result { return (*f)(*value); });
      } catch (...) {
        next.reject(std::current_exception());
      }
    });
    return next;
  }

  // Calls f with the Failure, if it comes to one; the promise returned is settled like this one, after f.
  template <class F>
  Promise fail(F f) const {
    const Promise next(state_->executor);
    when_settled([next, f = std::make_shared<F>(std::move(f))](const std::optional<Value>& value,
                                                               std::exception_ptr error) {
      if (!error) return next.resolve(*value);
      try {
        (*f)(Failure(error));
        next.reject(error);
      } catch (...) {
        next.reject(std::current_exception());
      }
    });
    return next;
  }

  bool is_settled() const {
    const std::lock_guard lock(state_->mutex);
    return state_->settled;
  }

  // Blocks until the outcome is there; throws the error. Not on the executor's only thread:
  // ErrorKind::would_deadlock cannot be seen from here.
  T get() const {
    std::unique_lock lock(state_->mutex);
    state_->changed.wait(lock, [this] { return state_->settled; });
    if (state_->error) std::rethrow_exception(state_->error);
    if constexpr (!std::is_void_v<T>) return *state_->value;
  }

 private:
  template <class U>
  friend class Promise;
  using Continuation = std::function<void(const std::optional<Value>&, std::exception_ptr)>;

  struct State {
    boost::asio::any_io_executor executor;
    std::mutex mutex;
    std::condition_variable changed;
    bool settled = false;
    std::optional<Value> value;
    std::exception_ptr error;
    std::vector<Continuation> continuations;
  };

  // Settles `next` with what `call` returns.
  template <class U, class Call>
  static void pass(const Promise<U>& next, Call call) {
    using Result = std::decay_t<decltype(call())>;
    if constexpr (std::is_void_v<Result>) {
      call();
      next.resolve();
    } else if constexpr (detail::is_promise<Result>::value) {
      call().when_settled([next](const auto& value, std::exception_ptr error) {
        if (error) return next.reject(error);
        next.resolve(*value);
      });
    } else {
      next.resolve(call());
    }
  }

  void settle(std::optional<Value> value, std::exception_ptr error) const {
    std::vector<Continuation> continuations;
    {
      const std::lock_guard lock(state_->mutex);
      if (std::exchange(state_->settled, true)) return;
      state_->value = std::move(value);
      state_->error = std::move(error);
      continuations.swap(state_->continuations);
    }
    state_->changed.notify_all();
    for (Continuation& continuation : continuations) run(state_, std::move(continuation));
  }

  void when_settled(Continuation continuation) const {
    {
      const std::lock_guard lock(state_->mutex);
      if (!state_->settled) return state_->continuations.push_back(std::move(continuation));
    }
    run(state_, std::move(continuation));
  }

  // The value does not change any more: no lock.
  static void run(const std::shared_ptr<State>& state, Continuation continuation) {
    boost::asio::post(state->executor, [state, continuation = std::move(continuation)] {
      continuation(state->value, state->error);
    });
  }

  std::shared_ptr<State> state_;
};

// The token that makes an async_… function return a Promise.
struct use_promise_t {};
inline constexpr use_promise_t use_promise{};

}  // namespace millrace

template <class... Results>
class boost::asio::async_result<millrace::use_promise_t, void(std::exception_ptr, Results...)> {
  static_assert(sizeof...(Results) <= 1);
  template <class... R>
  struct first {
    using type = void;
  };
  template <class R>
  struct first<R> {
    using type = R;
  };

 public:
  using return_type = millrace::Promise<typename first<Results...>::type>;

  template <class Initiation, class Token, class... Args>
  static return_type initiate(Initiation&& initiation, Token&&, Args&&... args) {
    return_type promise(initiation.get_executor());
    std::forward<Initiation>(initiation)(
        [promise](std::exception_ptr error, Results... results) {
          if (error) return promise.reject(std::move(error));
          promise.resolve(std::move(results)...);
        },
        std::forward<Args>(args)...);
    return promise;
  }
};
