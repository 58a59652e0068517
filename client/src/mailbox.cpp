#include "client/src/mailbox.hpp"

#include <boost/asio/post.hpp>
#include <utility>

#include "millrace/error.hpp"

namespace millrace::client {

namespace asio = boost::asio;

Mailbox::Mailbox(Handler handler, Executor executor, bool parallel, HandlerFailed failed)
    : handler_(std::move(handler)),
      executor_(std::move(executor)),
      parallel_(parallel),
      failed_(std::move(failed)) {}

// A handler that throws has not done its work: the delivery goes back when it is destroyed.
void Mailbox::call(Delivery delivery) const noexcept {
  try {
    handler_(std::move(delivery));
  } catch (...) {
    failed_(Failure(std::current_exception()).text());
  }
}

void Mailbox::put(Delivery delivery) {
  detail::Completion<Delivery> waiting;
  bool run = false;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;  // gives it back
    if (!waiting_.empty()) {
      waiting = std::move(waiting_.front().done);
      waiting_.pop_front();
    } else {
      ready_.push_back(std::move(delivery));
      run = handler_ && (parallel_ || !std::exchange(running_, true));
    }
  }
  if (waiting) waiting.later(nullptr, std::move(delivery));
  if (run) asio::post(executor_, [self = shared_from_this()] { self->run_handler(); });
}

void Mailbox::run_handler() {
  // All that is there, but no more than that: other work of the executor waits its turn.
  for (std::size_t left = 64; left != 0; --left) {
    Delivery delivery;
    {
      const std::lock_guard lock(mutex_);
      if (ready_.empty()) {
        running_ = false;
        return;
      }
      delivery = std::move(ready_.front());
      ready_.pop_front();
    }
    call(std::move(delivery));
    if (parallel_) return;
  }
  asio::post(executor_, [self = shared_from_this()] { self->run_handler(); });
}

void Mailbox::next(detail::Completion<Delivery> done) {
  const std::uint64_t id = ++last_id_;
  auto cancel_it = [weak = weak_from_this(), id] {
    if (const auto alive = weak.lock()) alive->cancel(id);
  };
  if (done.can_cancel()) done.on_cancel(std::move(cancel_it));
  Delivery delivery;
  std::exception_ptr closed;
  {
    const std::lock_guard lock(mutex_);
    if (!ready_.empty()) {
      delivery = std::move(ready_.front());
      ready_.pop_front();
    } else if (closed_) {
      closed = closed_;
    } else {
      waiting_.push_back(Waiting{id, std::move(done)});
      return;
    }
  }
  done.later(std::move(closed), std::move(delivery));
}

void Mailbox::cancel(std::uint64_t id) {
  detail::Completion<Delivery> cancelled;
  {
    const std::lock_guard lock(mutex_);
    for (auto at = waiting_.begin(); at != waiting_.end(); ++at) {
      if (at->id != id) continue;
      cancelled = std::move(at->done);
      waiting_.erase(at);
      break;
    }
  }
  if (cancelled)
    cancelled.later(make_failure(ErrorKind::cancelled, "waiting for a message was cancelled"), Delivery());
}

void Mailbox::forget() {
  std::deque<Delivery> dropped;
  const std::lock_guard lock(mutex_);
  dropped.swap(ready_);
}

void Mailbox::close(std::exception_ptr why) {
  std::deque<Waiting> waiting;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    closed_ = why;
    waiting.swap(waiting_);
  }
  for (Waiting& one : waiting) one.done.later(why, Delivery());
}

}  // namespace millrace::client
