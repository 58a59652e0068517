// async_get, async_put and async_join of millrace::queue, with any completion token of Boost.Asio.
//
//   while (auto job = co_await jobs.async_get(boost::asio::use_awaitable)) { ... jobs.task_done(); }
//   std::future<void> put = jobs.async_put(job{...}, boost::asio::use_future);
//   jobs.async_get(boost::asio::bind_executor(loop, [](boost::system::error_code e, std::optional<job> j) {
//   ... }));
//
// The handler is called by its associated executor, never from inside the call that started or ended the
// waiting; a callback without one is called by Asio's system_executor. What waits counts as work of its
// executor, so that run() of an io_context does not return meanwhile.
//
// Each waits in the one line of its end, with the threads: nobody overtakes it. What async_put is called with
// several times goes in in the order of the calls.
//
// Cancelling (a slot bound to the token, operator|| of awaitables, a timeout made of it) ends the waiting
// with operation_aborted, unless an item was handed over already: then it arrives. So no item is lost. Like
// everything of one handler, cancelling happens on its executor.
//
// T's moves must not throw. The queue must not be destroyed while operations wait, unless their executor runs
// no other thread: close() it, and let them end.
#pragma once

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/system/error_code.hpp>
#include <memory>

#include "millrace/queue.hpp"

namespace millrace {

enum class queue_errc {
  closed = 1,        // async_put: the queue is closed
  item_refused = 2,  // a Compare or RankOf threw while it dealt with the item
};
[[nodiscard]] const boost::system::error_category& queue_category() noexcept;
[[nodiscard]] inline boost::system::error_code make_error_code(queue_errc code) noexcept {
  return {static_cast<int>(code), queue_category()};
}

}  // namespace millrace

template <>
struct boost::system::is_error_code_enum<millrace::queue_errc> : std::true_type {};

namespace millrace::detail {

[[nodiscard]] boost::system::error_code error_of(WaitEnd end) noexcept;

// An operation with the handler that it completes. Owned by the queue while it waits, then by what is posted
// to the handler's executor.
template <class Base, class Handler>
class QueueOperation final : public Base {
 public:
  using Executor = boost::asio::associated_executor_t<Handler, boost::asio::system_executor>;

  explicit QueueOperation(Handler handler)
      : handler_(std::move(handler)), work_(boost::asio::get_associated_executor(handler_)) {}

  [[nodiscard]] auto cancellation_slot() const noexcept {
    return boost::asio::get_associated_cancellation_slot(handler_);
  }

  void complete() noexcept override {
    // A copy: the operation, and the work guard in it, may be gone before post() has returned.
    const Executor executor = work_.get_executor();
    boost::asio::post(executor, Delivery(this));
  }

 private:
  class Delivery {
   public:
    using executor_type = Executor;
    explicit Delivery(QueueOperation* operation) noexcept : operation_(operation) {}
    [[nodiscard]] executor_type get_executor() const noexcept { return operation_->work_.get_executor(); }

    void operator()() {
      // The operation goes before the handler is called, which may start the next one or destroy the queue.
      operation_->cancellation_slot().clear();
      Handler handler = std::move(operation_->handler_);
      const auto work = std::move(operation_->work_);
      if constexpr (Base::kGives) {
        const auto error =
            operation_->end == WaitEnd::kClosed ? boost::system::error_code() : error_of(operation_->end);
        auto item = std::move(operation_->item);
        operation_.reset();
        std::move(handler)(error, std::move(item));
      } else {
        const auto error = error_of(operation_->end);
        operation_.reset();
        std::move(handler)(error);
      }
    }

   private:
    std::unique_ptr<QueueOperation> operation_;
  };

  Handler handler_;
  boost::asio::executor_work_guard<Executor> work_;
};

}  // namespace millrace::detail

namespace millrace {

template <class T, class Order>
template <class Base, class Handler, class... Item>
void queue<T, Order>::start_operation(Line& line, Handler&& handler, Item&&... item) {
  using Started = detail::QueueOperation<Base, std::decay_t<Handler>>;
  auto operation = std::make_unique<Started>(std::forward<Handler>(handler));
  if constexpr (sizeof...(Item) > 0) operation->item.emplace(std::forward<Item>(item)...);
  auto slot = operation->cancellation_slot();
  Started* waits = operation.get();
  if (slot.is_connected()) {
    slot.assign([this, &line, waits](boost::asio::cancellation_type type) {
      const bool decided = waits->decided.load(std::memory_order_acquire);
      if (type != boost::asio::cancellation_type::none && !decided) cancel(line, *waits);
    });
  }
  start(line, *operation.release());
}

template <class T, class Order>
template <class CompletionToken>
auto queue<T, Order>::async_get(CompletionToken&& token) {
  static_assert(std::is_nothrow_move_constructible_v<T>);
  return boost::asio::async_initiate<CompletionToken, void(boost::system::error_code, std::optional<T>)>(
      [](auto handler, queue* self) {
        self->template start_operation<detail::GetOperation<T>>(self->getters_, std::move(handler));
      },
      token, this);
}

template <class T, class Order>
template <class CompletionToken>
auto queue<T, Order>::async_put(T item, CompletionToken&& token) {
  static_assert(std::is_nothrow_move_constructible_v<T>);
  return boost::asio::async_initiate<CompletionToken, void(boost::system::error_code)>(
      [](auto handler, queue* self, T moved) {
        self->template start_operation<detail::PutOperation<T>>(self->putters_, std::move(handler),
                                                                std::move(moved));
      },
      token, this, std::move(item));
}

template <class T, class Order>
template <class CompletionToken>
auto queue<T, Order>::async_join(CompletionToken&& token) {
  return boost::asio::async_initiate<CompletionToken, void(boost::system::error_code)>(
      [](auto handler, queue* self) {
        self->template start_operation<detail::JoinOperation>(self->joiners_, std::move(handler));
      },
      token, this);
}

}  // namespace millrace
