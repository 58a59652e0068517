#include "client/tasks/settling.hpp"

#include <atomic>
#include <mutex>
#include <utility>

namespace millrace::tasks {

struct Settling::State {
  std::shared_ptr<const void> owner;
  Client& client;
  std::shared_ptr<Settled> what;
  std::atomic<std::size_t> open{1};  // messages, and the Settling itself
  std::mutex mutex;
  std::exception_ptr error;
};

Settling::Settling(std::shared_ptr<const void> owner, Client& client, Places& places,
                   std::shared_ptr<Settled> what)
    : owner_(std::move(owner)), client_(client), places_(places), what_(std::move(what)) {}

Settling::~Settling() {
  if (state_)
    one_less(state_, nullptr);
  else
    what_->settle(nullptr);
}

const std::shared_ptr<Settling::State>& Settling::one_more() {
  if (!state_) state_.reset(new State{owner_, client_, what_, {1}, {}, nullptr});
  ++state_->open;
  return state_;
}

void Settling::one_less(const std::shared_ptr<State>& state, const std::exception_ptr& error) {
  if (error) {
    const std::lock_guard lock(state->mutex);
    state->error = error;
  }
  if (state->open.fetch_sub(1) == 1) state->what->settle(state->error);
}

std::function<void(std::exception_ptr)> Settling::wait_for_more() {
  return [state = one_more()](std::exception_ptr error) { one_less(state, error); };
}

void Settling::send(Address to, Message message) {
  client_.async_publish(
      std::move(to), std::move(message),
      [state = one_more()](std::exception_ptr error, const Receipt&) { one_less(state, error); });
}

void Settling::send(Outgoing message) {
  auto held = std::make_shared<Outgoing>(std::move(message));
  places_.ensure(held->need, held->queue, [state = one_more(), held](std::exception_ptr error) {
    if (error) return one_less(state, error);
    state->client.async_publish(
        std::move(held->to), std::move(held->message),
        [state](std::exception_ptr failed, const Receipt&) { one_less(state, failed); });
  });
}

}  // namespace millrace::tasks
