#include "cli/receiving.hpp"

#include <algorithm>

#include "cli/terminal.hpp"

namespace millrace::cli {

Receiving::Receiving(Client& client, std::string queue, std::uint16_t prefetch)
    : client_(client), queue_(std::move(queue)) {
  ConsumeOptions options;
  options.prefetch = prefetch;
  options.parallel = 1;
  consumer_ = client.consume(
      queue_,
      [state = state_](Delivery delivery) {
        const std::lock_guard lock(state->mutex);
        state->waiting.push_back(std::move(delivery));
        state->came.notify_one();
      },
      options);
}

std::optional<Delivery> Receiving::next(std::chrono::milliseconds patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  std::unique_lock lock(state_->mutex);
  while (state_->waiting.empty()) {
    const auto now = std::chrono::steady_clock::now();
    if (now >= until || Interrupts::seen() != 0) return std::nullopt;
    state_->came.wait_until(lock, std::min(until, now + Interrupts::kLookEvery));
  }
  Delivery delivery = std::move(state_->waiting.front());
  state_->waiting.pop_front();
  return delivery;
}

bool Receiving::is_drained() const {
  const std::lock_guard lock(state_->mutex);
  return state_->waiting.empty();
}

bool Receiving::queue_is_empty() {
  return client_.inspect_queue(queue_).messages == 0;
}

void Receiving::end() {
  consumer_.cancel();
  std::deque<Delivery> given_back;
  const std::lock_guard lock(state_->mutex);
  given_back.swap(state_->waiting);
}

}  // namespace millrace::cli
