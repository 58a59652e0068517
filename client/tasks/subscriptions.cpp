#include "client/tasks/subscriptions.hpp"

#include <boost/asio/post.hpp>
#include <utility>

#include "millrace/coroutines.hpp"

namespace millrace::tasks {
namespace {

// Others than these say that it is not bound, or will not be.
bool may_have_happened(const std::exception_ptr& error) {
  const ErrorKind kind = Failure(error).kind();
  return kind == ErrorKind::none || kind == ErrorKind::not_connected || kind == ErrorKind::connection_lost ||
         kind == ErrorKind::timed_out;
}

}  // namespace

Subscriptions::Subscriptions(Client& client, Executor executor, std::string queue, Step listen)
    : client_(client),
      executor_(std::move(executor)),
      queue_(std::move(queue)),
      listen_(std::move(listen)),
      exchange_(std::make_shared<ResultsExchange>(client)) {}

void Subscriptions::join(const std::string& id, Then then) {
  {
    const std::lock_guard lock(mutex_);
    joined_[id] = false;
  }
  boost::asio::post(executor_, [self = shared_from_this(), id, then = std::move(then)] {
    if (self->is_closed()) return then(given_up());
    if (self->exchange_->is_refused())
      return then(make_failure(ErrorKind::access_refused, "the broker gives no notices of kept results"));
    self->listen_([self, id, then](std::exception_ptr error) {
      self->exchange_->note(error);
      if (error) return then(error);
      self->bind(id, then);
    });
  });
}

void Subscriptions::bind(const std::string& id, Then then) {
  auto bound = [self = shared_from_this(), id, then](std::exception_ptr error) {
    self->exchange_->note(error);
    if (!may_have_happened(error)) {
      const std::lock_guard lock(self->mutex_);
      const auto at = self->joined_.find(id);
      if (at != self->joined_.end()) at->second = false;
    }
    then(std::move(error));
  };
  std::unique_lock lock(mutex_);
  const auto at = joined_.find(id);
  if (closed_ || at == joined_.end()) {
    lock.unlock();
    return then(given_up());
  }
  exchange_->declare();
  at->second = true;
  client_.async_bind(BindingSpec(kResultsExchange, queue_, id), bind_executor(executor_, std::move(bound)));
}

// The broker is asked in this order: one that is still being bound is unbound after that.
void Subscriptions::leave(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto at = joined_.find(id);
  if (at == joined_.end()) return;
  const bool is_bound = at->second;
  joined_.erase(at);
  if (is_bound && !closed_) unbind(id);
}

void Subscriptions::unbind(const std::string& id) {
  auto unbound = [self = shared_from_this(), id](const std::exception_ptr& error) {
    self->unbound(id, error);
  };
  client_.async_unbind(BindingSpec(kResultsExchange, queue_, id),
                       bind_executor(executor_, std::move(unbound)));
}

// What was not unbound would be bound again on the next connection.
void Subscriptions::unbound(const std::string& id, const std::exception_ptr& error) {
  if (!error || !may_have_happened(error)) return;
  const std::lock_guard lock(mutex_);
  if (!closed_ && !joined_.contains(id)) unbind(id);
}

bool Subscriptions::is_closed() {
  const std::lock_guard lock(mutex_);
  return closed_;
}

void Subscriptions::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

}  // namespace millrace::tasks
