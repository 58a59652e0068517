// How an operation hands its outcome back, whatever form the caller asked for.
//
// Every async_… function takes one of Asio's completion tokens last: a callback, boost::asio::use_future,
// use_awaitable (co_await works without naming it), as_tuple, millrace::use_promise. The outcome goes to the
// executor bound to the callback or coroutine, else to that of the client (ClientOptions and EventLoop).
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <functional>
#include <memory>
#include <tuple>
#include <utility>

#include "millrace/detail/recycled.hpp"

namespace millrace {

using Executor = boost::asio::any_io_executor;

// What a function without a token gives back: co_await it.
// (Not deferred: Boost 1.81's cannot be awaited for an operation that ends with an exception_ptr and a
// value.)
using DefaultToken = boost::asio::use_awaitable_t<>;

namespace detail {

// An operation that has ended and whose handler is still to be called.
class Finished : public Recycled {
 public:
  virtual ~Finished() = default;
  virtual void call() = 0;  // once
};

// Takes handlers of one client that want no executor of their own, so that many travel together.
class FinishedQueue {
 public:
  virtual void add(std::unique_ptr<Finished> finished) = 0;

 protected:
  ~FinishedQueue() = default;
};

// Where a handler waits for the end of its operation.
class Target : public Finished {
 public:
  // Brings `self`, which is this, to where the handler wants to be called. A caller that may run there
  // already says so: a handler is never called before the function that started it has returned.
  virtual void settle(std::unique_ptr<Target> self, FinishedQueue* queue, bool may_be_inside) = 0;
  // `cancel` is called when the caller cancels, until the handler is called.
  virtual void on_cancel(std::function<void()> cancel) = 0;
  virtual bool can_cancel() const noexcept = 0;
  // An operation that failed has none.
  virtual void drop_results() = 0;

  std::exception_ptr error;
};

template <class... Results>
class TargetOf : public Target {
 public:
  void drop_results() final { results = {}; }

  std::tuple<Results...> results;
};

// A handler waiting for `void(std::exception_ptr, Results...)`. Moved, called once, on any thread; one that
// is dropped without a call is dropped silently.
template <class... Results>
class Completion {
 public:
  Completion() = default;
  explicit Completion(std::unique_ptr<TargetOf<Results...>> target) noexcept : target_(std::move(target)) {}
  template <class Handler>
  Completion(Handler handler, const Executor& fallback);

  explicit operator bool() const noexcept { return target_ != nullptr; }
  // Whether the caller can cancel at all; on_cancel is to no purpose otherwise.
  bool can_cancel() const noexcept { return target_ && target_->can_cancel(); }
  void on_cancel(std::function<void()> cancel) { target_->on_cancel(std::move(cancel)); }

  // On the I/O thread. `queue`, when given, takes handlers that run on the fallback executor.
  void operator()(std::exception_ptr error, Results... results, FinishedQueue* queue = nullptr) {
    settle(queue, false, std::move(error), std::move(results)...);
  }
  // On any thread, also from within the function that starts the operation.
  void later(std::exception_ptr error, Results... results) {
    settle(nullptr, true, std::move(error), std::move(results)...);
  }
  void fail(std::exception_ptr error, FinishedQueue* queue = nullptr) {
    (*this)(std::move(error), Results{}..., queue);
  }

  // For who knows the results before the end: they are put in here, and stay here until the handler is called
  // or has failed. All that is left to tell then is that it has ended.
  std::tuple<Results...>& results() noexcept { return static_cast<TargetOf<Results...>&>(*target_).results; }
  Completion<> without_results() && {
    Completion<> end;
    end.target_ = std::move(target_);
    return end;
  }

 private:
  template <class...>
  friend class Completion;

  void settle(FinishedQueue* queue, bool may_be_inside, std::exception_ptr error, Results... given) {
    if (!target_) return;
    if constexpr (sizeof...(Results) != 0) {
      results() = {std::move(given)...};
    } else {
      if (error) target_->drop_results();
    }
    target_->error = std::move(error);
    Target& target = *target_;
    target.settle(std::move(target_), queue, may_be_inside);
  }

  std::unique_ptr<Target> target_;
};

template <class Handler, class... Results>
class HandlerTarget final : public TargetOf<Results...> {
 public:
  HandlerTarget(Handler handler, const Executor& fallback)
      : handler_(std::move(handler)),
        executor_(track(boost::asio::get_associated_executor(handler_, fallback))),
        plain_(is_plain(boost::asio::get_associated_executor(handler_, fallback), fallback)) {}

  void settle(std::unique_ptr<Target> self, FinishedQueue* queue, bool may_be_inside) override {
    if (plain_ && queue) return queue->add(std::move(self));
    const auto executor = executor_;
    auto call = [held = std::move(self)] { held->call(); };
    if (may_be_inside)
      boost::asio::post(executor, std::move(call));
    else
      boost::asio::dispatch(executor, std::move(call));
  }

  bool can_cancel() const noexcept override {
    return boost::asio::get_associated_cancellation_slot(handler_).is_connected();
  }
  void on_cancel(std::function<void()> cancel) override {
    auto slot = boost::asio::get_associated_cancellation_slot(handler_);
    slot_used_ = true;
    slot.assign(Cancel{std::move(cancel)});
  }

  void call() override {
    if (slot_used_) boost::asio::get_associated_cancellation_slot(handler_).clear();
    Handler handler(std::move(handler_));
    const auto tell = [&](Results&&... results) {
      std::move(handler)(std::move(this->error), std::move(results)...);
    };
    std::apply(tell, std::move(this->results));
  }

 private:
  using Associated = boost::asio::associated_executor_t<Handler, Executor>;
  using Tracked = std::decay_t<typename boost::asio::prefer_result<
      Associated, boost::asio::execution::outstanding_work_t::tracked_t>::type>;

  struct Cancel {
    void operator()(boost::asio::cancellation_type type) const {
      if (type != boost::asio::cancellation_type::none) cancel();
    }
    std::function<void()> cancel;
  };

  static bool is_plain(const Associated& executor, const Executor& fallback) {
    if constexpr (std::is_same_v<Associated, Executor>) return executor == fallback;
    return false;
  }
  // The context that the handler runs on does not run out of work meanwhile.
  static Tracked track(const Associated& executor) {
    return boost::asio::prefer(executor, boost::asio::execution::outstanding_work.tracked);
  }

  Handler handler_;
  Tracked executor_;
  bool plain_ = false;
  bool slot_used_ = false;
};

template <class... Results>
template <class Handler>
Completion<Results...>::Completion(Handler handler, const Executor& fallback)
    : target_(std::make_unique<HandlerTarget<Handler, Results...>>(std::move(handler), fallback)) {}

// Passes its outcome on to another completion: `map` makes a To of its result, or nothing where that takes
// nothing; what it throws is the error. An error goes as it is.
template <class From, class Map, class... To>
class ForwardTarget final : public TargetOf<From> {
 public:
  ForwardTarget(Completion<To...> to, Map map) : to_(std::move(to)), map_(std::move(map)) {}

  void settle(std::unique_ptr<Target> self, FinishedQueue* queue, bool may_be_inside) override {
    const auto held = std::move(self);
    std::tuple<To...> value;
    try {
      if (!this->error) value = mapped(std::get<0>(std::move(this->results)));
    } catch (...) {
      this->error = std::current_exception();
    }
    const auto pass_on = [&](auto&&... values) {
      if (may_be_inside)
        to_.later(std::move(this->error), std::move(values)...);
      else
        to_(std::move(this->error), std::move(values)..., queue);
    };
    std::apply(pass_on, std::move(value));
  }
  void call() override {}  // it is never queued
  void on_cancel(std::function<void()> cancel) override { to_.on_cancel(std::move(cancel)); }
  bool can_cancel() const noexcept override { return to_.can_cancel(); }

 private:
  std::tuple<To...> mapped(From&& result) {
    if constexpr (sizeof...(To) == 0) {
      map_(std::move(result));
      return {};
    } else {
      return std::tuple<To...>(map_(std::move(result)));
    }
  }

  Completion<To...> to_;
  Map map_;
};

template <class From, class... To, class Map>
Completion<From> forward_to(Completion<To...> to, Map map) {
  return Completion<From>(std::make_unique<ForwardTarget<From, Map, To...>>(std::move(to), std::move(map)));
}

// What starts an operation once its handler is known. A class, since adapting tokens ask for its executor.
template <class Core, auto kStart, class... Results>
class Initiation {
 public:
  using executor_type = Executor;

  Initiation(std::shared_ptr<Core> core, Executor executor)
      : core_(std::move(core)), executor_(std::move(executor)) {}
  executor_type get_executor() const noexcept { return executor_; }

  template <class Handler, class... Args>
  void operator()(Handler&& handler, Args&&... args) const {
    kStart(*core_, std::forward<Args>(args)...,
           Completion<Results...>(std::forward<Handler>(handler), executor_));
  }

 private:
  std::shared_ptr<Core> core_;
  Executor executor_;
};

}  // namespace detail
}  // namespace millrace
