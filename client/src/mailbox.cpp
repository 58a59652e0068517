#include "client/src/mailbox.hpp"

#include <array>
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

void Mailbox::put(std::vector<Delivery>& deliveries) {
  if (deliveries.empty()) return;
  std::vector<std::pair<detail::Completion<Delivery>, Delivery>> taken;
  std::size_t runs = 0;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;  // they go back as the caller lets go of them
    for (Delivery& delivery : deliveries) {
      if (!waiting_.empty()) {
        taken.emplace_back(std::move(waiting_.front().done), std::move(delivery));
        waiting_.pop_front();
        continue;
      }
      ready_.push_back(std::move(delivery));
      ++runs;
    }
    if (!handler_)
      runs = 0;
    else if (!parallel_ && runs != 0)
      runs = std::exchange(running_, true) ? 0 : 1;
  }
  for (auto& [done, delivery] : taken) done.later(nullptr, std::move(delivery));
  for (; runs != 0; --runs) {
    if (parallel_)
      asio::post(executor_, [self = shared_from_this()] { self->run_handler_once(); });
    else
      asio::post(executor_, [self = shared_from_this()] { self->run_handler(); });
  }
}

void Mailbox::run_handler_once() {
  Delivery delivery;
  {
    const std::lock_guard lock(mutex_);
    if (ready_.empty()) return;
    delivery = std::move(ready_.front());
    ready_.pop_front();
  }
  call(std::move(delivery));
}

void Mailbox::run_handler() {
  // Many at a time, for one locking; not more than that: other work of the executor waits its turn.
  std::array<Delivery, 64> batch;
  std::size_t count = 0;
  const std::uint64_t forgotten = forgotten_.load(std::memory_order_acquire);
  {
    const std::lock_guard lock(mutex_);
    for (; count < batch.size() && !ready_.empty(); ++count) {
      batch[count] = std::move(ready_.front());
      ready_.pop_front();
    }
    if (count == 0) {
      running_ = false;
      return;
    }
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (forgotten_.load(std::memory_order_acquire) != forgotten) break;
    call(std::move(batch[i]));
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
  forgotten_.fetch_add(1, std::memory_order_acq_rel);
  std::deque<Delivery> dropped;
  const std::lock_guard lock(mutex_);
  dropped.swap(ready_);
}

bool Mailbox::close(std::exception_ptr why) {
  std::deque<Waiting> waiting;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return false;
    closed_ = why;
    waiting.swap(waiting_);
  }
  for (Waiting& one : waiting) one.done.later(why, Delivery());
  return true;
}

}  // namespace millrace::client
