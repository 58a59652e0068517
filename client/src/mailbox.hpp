// Where a consumer's deliveries wait for the program, and the program for them. Any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "millrace/completion.hpp"
#include "millrace/delivery.hpp"

namespace millrace::client {

// Bounded by the consumer's prefetch: the broker sends no more before something is settled.
class Mailbox : public std::enable_shared_from_this<Mailbox> {
 public:
  using Handler = std::function<void(Delivery)>;

  using HandlerFailed = std::function<void(const std::string& why)>;

  // With a handler, deliveries go to it on `executor`: in order and one after another, or, `parallel`, as
  // many at once as the executor has threads.
  Mailbox(Handler handler, Executor executor, bool parallel, HandlerFailed failed);

  void put(std::vector<Delivery>& deliveries);
  // The next delivery; fails once the consumer has ended and nothing is left.
  void next(detail::Completion<Delivery> done);
  // Deliveries of a lost channel come again: those that nobody has seen are dropped.
  void forget();
  // Ends it; what is there can still be taken. False: it had ended before.
  bool close(std::exception_ptr why);
  // Where the handler is called.
  const Executor& executor() const noexcept { return executor_; }

 private:
  void cancel(std::uint64_t id);
  struct Waiting {
    std::uint64_t id;
    detail::Completion<Delivery> done;
  };

  void run_handler();
  void run_handler_once();
  void call(Delivery delivery) const noexcept;

  const Handler handler_;
  const Executor executor_;
  const bool parallel_;
  const HandlerFailed failed_;

  std::mutex mutex_;
  std::deque<Delivery> ready_;
  std::deque<Waiting> waiting_;
  std::exception_ptr closed_;
  std::atomic<std::uint64_t> last_id_{0};
  bool running_ = false;                     // run_handler is under way or posted
  std::atomic<std::uint64_t> forgotten_{0};  // calls of forget(): what was taken out before is dropped too
};

}  // namespace millrace::client
