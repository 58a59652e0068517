#include "client/src/inbox.hpp"

#include <utility>

namespace millrace::client {
namespace {

constexpr auto kAMomentAgo = std::chrono::microseconds(500);
constexpr auto kSoon = std::chrono::microseconds(150);
// A publish is held only while so many others are under way: nobody waits for a single one then.
constexpr std::size_t kHoldBehind = 16;
constexpr std::size_t kHeldPublishes = 64;

}  // namespace

bool Inbox::has_to_wake(bool can_wait) {
  if (asked_ == Asked::now || (asked_ == Asked::soon && can_wait)) return false;
  asked_ = Asked::now;
  return true;
}

bool Inbox::put(Task task) {
  const std::lock_guard lock(mutex_);
  waiting_.tasks.push_back(std::move(task));
  return has_to_wake(false);
}

bool Inbox::put(std::unique_ptr<Publish> publish) {
  const std::lock_guard lock(mutex_);
  waiting_.publishes.push_back(std::move(publish));
  return has_to_wake(holds_publishes_ && waiting_.publishes.size() < kHeldPublishes);
}

bool Inbox::put(Settlement settlement) {
  const std::lock_guard lock(mutex_);
  waiting_.settlements.push_back(settlement);
  return has_to_wake(waiting_.settlements.size() < settlement.together);
}

bool Inbox::is_asked() const {
  const std::lock_guard lock(mutex_);
  return asked_ != Asked::nothing;
}

Inbox::Batch& Inbox::take() {
  const std::lock_guard lock(mutex_);
  asked_ = Asked::nothing;
  std::swap(taken_, waiting_);
  return taken_;
}

void Inbox::finish(std::size_t under_way, bool may_hold) {
  const bool settled = !taken_.settlements.empty();
  const bool published = !taken_.publishes.empty();
  taken_.tasks.clear();
  taken_.publishes.clear();
  taken_.settlements.clear();
  if (!settled && !published) return;
  const auto now = std::chrono::steady_clock::now();
  const bool recently = now - std::exchange(last_, now) < kAMomentAgo;
  if (recently && may_hold && (settled || under_way >= kHoldBehind)) hold(under_way);
}

void Inbox::hold(std::size_t under_way) {
  {
    const std::lock_guard lock(mutex_);
    if (asked_ != Asked::nothing) return;
    asked_ = Asked::soon;
    holds_publishes_ = under_way >= kHoldBehind;
  }
  if (std::exchange(timer_runs_, true)) return;
  timer_.expires_after(kSoon);
  timer_.async_wait([this](boost::system::error_code) {
    timer_runs_ = false;
    if (is_asked()) drain_();
  });
}

}  // namespace millrace::client
