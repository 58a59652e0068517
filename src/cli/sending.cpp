#include "cli/sending.hpp"

#include "cli/terminal.hpp"

namespace millrace::cli {

bool Sending::send(Address to, Message message, std::function<void(const Receipt&)> confirmed) {
  {
    std::unique_lock lock(state_->mutex);
    while (state_->open >= window_ && !state_->failure && Interrupts::seen() == 0) {
      state_->changed.wait_for(lock, Interrupts::kLookEvery);
    }
    if (state_->failure || Interrupts::seen() != 0) return false;
    ++state_->open;
  }
  client_.async_publish(
      std::move(to), std::move(message),
      [state = state_, confirmed = std::move(confirmed)](Failure failure, const Receipt& receipt) {
        if (!failure && confirmed) confirmed(receipt);
        const std::lock_guard lock(state->mutex);
        --state->open;
        if (failure) {
          if (!state->failure) state->failure = failure;
        } else {
          ++state->confirmed;
        }
        state->changed.notify_all();
      });
  return true;
}

void Sending::wait() {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [&] { return state_->open == 0; });
}

std::uint64_t Sending::confirmed() const {
  const std::lock_guard lock(state_->mutex);
  return state_->confirmed;
}

std::optional<Failure> Sending::failure() const {
  const std::lock_guard lock(state_->mutex);
  return state_->failure;
}

}  // namespace millrace::cli
