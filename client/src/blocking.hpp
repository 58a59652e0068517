// Waits for an operation on this thread. The I/O thread itself wakes it: a blocking call inside a callback
// does not wait for the callback's own thread.
#pragma once

#include <future>
#include <memory>
#include <tuple>
#include <utility>

#include "millrace/completion.hpp"

namespace millrace::client {

template <class... Results>
class BlockingTarget final : public detail::TargetOf<Results...> {
 public:
  using Outcome = std::tuple<std::exception_ptr, Results...>;

  std::future<Outcome> future() { return promise_.get_future(); }

  void settle(std::unique_ptr<detail::Target> self, detail::FinishedQueue*, bool) override {
    const auto held = std::move(self);
    call();
  }
  void call() override {
    promise_.set_value(std::tuple_cat(std::make_tuple(std::move(this->error)), std::move(this->results)));
  }
  void on_cancel(std::function<void()>) override {}
  bool can_cancel() const noexcept override { return false; }

 private:
  std::promise<Outcome> promise_;
};

// start(Completion<Results...>) begins the operation. Throws its error.
template <class... Results, class Start>
auto wait_for(Start start) {
  auto target = std::make_unique<BlockingTarget<Results...>>();
  auto future = target->future();
  start(detail::Completion<Results...>(std::move(target)));
  auto outcome = future.get();
  if (std::get<0>(outcome)) std::rethrow_exception(std::get<0>(outcome));
  if constexpr (sizeof...(Results) == 1) return std::get<1>(std::move(outcome));
}

}  // namespace millrace::client
