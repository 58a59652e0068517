#include "broker/access/login_guard.hpp"

#include <algorithm>

namespace millrace::broker {

namespace {

// Of the source alone, which no user's key is: those have a zero octet in them.
std::string source_key(std::string_view source) {
  return std::string(source);
}

}  // namespace

std::string LoginGuard::key_of(std::string_view source, std::string_view user) {
  std::string key(source);
  key += '\0';
  key += user;
  return key;
}

std::int64_t LoginGuard::wait_ms(std::string_view source, std::string_view user, std::int64_t now_ms) {
  const auto of_user = entries_.find(key_of(source, user));
  const auto of_source = entries_.find(source_key(source));
  std::int64_t open_ms = now_ms;
  for (const auto& found : {of_user, of_source}) {
    if (found != entries_.end()) open_ms = std::max(open_ms, found->second.closed_until_ms);
  }
  if (open_ms - now_ms > kMaxWaitMs) return -1;
  for (const auto& found : {of_user, of_source}) {
    if (found == entries_.end() || found->second.delay_ms == 0) continue;
    found->second.closed_until_ms = open_ms + found->second.delay_ms;
  }
  return open_ms - now_ms;
}

std::int64_t LoginGuard::failed(std::string_view source, std::string_view user, std::int64_t now_ms) {
  const std::int64_t of_user = add_failure(key_of(source, user), 0, now_ms);
  const std::int64_t of_source = add_failure(source_key(source), kFreeForSource, now_ms);
  return std::max(of_user, of_source);
}

// The source's failures with other names stay: who has one account must not be free to guess for the rest.
void LoginGuard::succeeded(std::string_view source, std::string_view user) {
  const auto found = entries_.find(key_of(source, user));
  if (found == entries_.end()) return;
  const auto [first, last] = by_time_.equal_range(found->second.forget_ms);
  const auto listed = std::find_if(first, last, [&](const auto& one) { return one.second == found->first; });
  if (listed != last) by_time_.erase(listed);
  entries_.erase(found);
}

std::int64_t LoginGuard::add_failure(std::string key, unsigned free, std::int64_t now_ms) {
  make_room(now_ms);
  Entry& entry = entries_[key];
  if (entry.failures > 0) {
    const auto [first, last] = by_time_.equal_range(entry.forget_ms);
    const auto listed = std::find_if(first, last, [&](const auto& one) { return one.second == key; });
    if (listed != last) by_time_.erase(listed);
  }
  ++entry.failures;
  entry.forget_ms = now_ms + kForgetMs;
  by_time_.emplace(entry.forget_ms, std::move(key));
  if (entry.failures <= free) return 0;
  const unsigned doublings = std::min(entry.failures - free - 1, 16u);
  entry.delay_ms = std::min(kFirstDelayMs << doublings, kMaxDelayMs);
  entry.closed_until_ms = std::max(entry.closed_until_ms, now_ms + entry.delay_ms);
  return entry.delay_ms;
}

void LoginGuard::make_room(std::int64_t now_ms) {
  while (!by_time_.empty() && (by_time_.begin()->first <= now_ms || entries_.size() >= kMaxEntries)) {
    entries_.erase(by_time_.begin()->second);
    by_time_.erase(by_time_.begin());
  }
}

}  // namespace millrace::broker
