// Who waits for an operation of several steps: is told once, and may give up before.
#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <utility>

#include "client/tasks/steps.hpp"
#include "millrace/completion.hpp"

namespace millrace::tasks {

// Whoever waits, for a result or for a submission. Any thread.
class Waiting {
 public:
  virtual ~Waiting() = default;
  // Is told that nothing comes of it, unless told before.
  virtual void give_up(const std::exception_ptr& why) = 0;
};

// One that cancels is told so at once; the operation asks, and begins no further step.
template <class... R>
class Caller final : public Waiting {
 public:
  using Done = millrace::detail::Completion<R...>;

  static std::shared_ptr<Caller> of(Done done) {
    std::shared_ptr<Caller> caller(new Caller(std::move(done)));
    if (!caller->done_.can_cancel()) return caller;
    caller->done_.on_cancel([weak = std::weak_ptr(caller)] {
      const auto alive = weak.lock();
      if (alive) alive->tell(given_up(), R()...);
    });
    return caller;
  }

  bool is_told() const noexcept { return told_; }
  void give_up(const std::exception_ptr& why) override { tell(why, R()...); }
  // Only the first counts.
  void tell(std::exception_ptr error, R... result) {
    if (!told_.exchange(true)) done_.later(std::move(error), std::move(result)...);
  }

 private:
  explicit Caller(Done done) : done_(std::move(done)) {}

  std::atomic<bool> told_{false};
  Done done_;
};

}  // namespace millrace::tasks
