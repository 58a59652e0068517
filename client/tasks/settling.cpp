#include "client/tasks/settling.hpp"

#include <mutex>
#include <utility>

namespace millrace::tasks {

struct Settling::State {
  Client& client;
  Places& places;
  std::function<void(std::exception_ptr)> settle;
  std::atomic<std::size_t> open{1};  // messages, and the Settling itself
  std::mutex mutex;
  std::exception_ptr error;
};

Settling::Settling(Client& client, Places& places, std::function<void(std::exception_ptr)> settle)
    : state_(new State{client, places, std::move(settle), {1}, {}, nullptr}) {}

Settling::~Settling() {
  one_less(state_, nullptr);
}

void Settling::one_less(const std::shared_ptr<State>& state, const std::exception_ptr& error) {
  if (error) {
    const std::lock_guard lock(state->mutex);
    state->error = error;
  }
  if (state->open.fetch_sub(1) == 1) state->settle(state->error);
}

std::function<void(std::exception_ptr)> Settling::wait_for_more() {
  ++state_->open;
  return [state = state_](std::exception_ptr error) { one_less(state, error); };
}

void Settling::send(Address to, Message message) {
  ++state_->open;
  state_->client.async_publish(
      std::move(to), std::move(message),
      [state = state_](std::exception_ptr error, const Receipt&) { one_less(state, error); });
}

void Settling::send(Outgoing message) {
  ++state_->open;
  auto held = std::make_shared<Outgoing>(std::move(message));
  state_->places.ensure(held->need, held->queue, [state = state_, held](std::exception_ptr error) {
    if (error) return one_less(state, error);
    state->client.async_publish(
        std::move(held->to), std::move(held->message),
        [state](std::exception_ptr failed, const Receipt&) { one_less(state, failed); });
  });
}

}  // namespace millrace::tasks
