#include "client/src/inbox.hpp"

#include <utility>

namespace millrace::client {
namespace {

using Pause = std::chrono::microseconds;

constexpr Pause kSoon{150};
// For settlements of which so many may wait for each other.
constexpr Pause kLater{1000};
constexpr std::uint16_t kMany = 64;
// So many of them are taken along with whatever else is done.
constexpr std::size_t kWorthwhile = 8;
constexpr int kAMomentAgo = 3;  // pauses
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
  const bool too_long = holds_long_ && settlement.together < kMany;
  return has_to_wake(waiting_.settlements.size() < settlement.together && !too_long);
}

bool Inbox::is_asked() const {
  const std::lock_guard lock(mutex_);
  if (asked_ != Asked::soon) return asked_ == Asked::now;
  return holds_publishes_ || !holds_long_ || waiting_.settlements.size() >= kWorthwhile;
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
  const bool many = settled && taken_.settlements.back().together >= kMany;
  taken_.tasks.clear();
  taken_.publishes.clear();
  taken_.settlements.clear();
  if (!settled && !published) return;
  const bool publishes = under_way >= kHoldBehind;
  const Pause pause = many && !publishes ? kLater : kSoon;
  const auto now = std::chrono::steady_clock::now();
  const bool recently = now - std::exchange(last_, now) < pause * kAMomentAgo;
  if (!recently || !may_hold || !(settled || publishes)) return;
  {
    const std::lock_guard lock(mutex_);
    if (asked_ != Asked::nothing) return;
    asked_ = Asked::soon;
    holds_publishes_ = publishes;
    holds_long_ = pause == kLater;
  }
  drain_at(now + pause);
}

void Inbox::drain_at(std::chrono::steady_clock::time_point due) {
  if (timer_runs_ && timer_.expiry() <= due) return;
  timer_runs_ = true;
  timer_.expires_at(due);
  timer_.async_wait([this](boost::system::error_code error) {
    if (error && !stopped_) return;  // another time was set
    timer_runs_ = false;
    if (is_held()) drain_();
  });
}

bool Inbox::is_held() const {
  const std::lock_guard lock(mutex_);
  return asked_ != Asked::nothing;
}

void Inbox::stop() {
  stopped_ = true;
  timer_.cancel();
}

}  // namespace millrace::client
