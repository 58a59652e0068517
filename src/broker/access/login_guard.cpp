#include "broker/access/login_guard.hpp"

#include <algorithm>

namespace millrace::broker {

namespace {

// Of the source alone, which no user's key is: those have a zero octet in them.
std::string_view source_key(std::string_view source) {
  return source;
}

}  // namespace

template <class T>
T& LoginGuard::Memory<T>::renew(std::string_view key, std::int64_t now_ms, std::int64_t forget_ms) {
  forget_old(now_ms);
  const auto [at, is_new] = entries_.try_emplace(std::string(key));
  if (!is_new) by_time_.erase({at->second.forget_ms, at->first});
  at->second.forget_ms = forget_ms;
  by_time_.emplace(forget_ms, at->first);
  while (entries_.size() > kMaxEntries) {
    const auto first = by_time_.begin();
    const auto goes = first->second == at->first ? std::next(first) : first;
    entries_.erase(goes->second);
    by_time_.erase(goes);
  }
  return at->second.value;
}

template <class T>
void LoginGuard::Memory<T>::forget(std::string_view key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return;
  by_time_.erase({found->second.forget_ms, found->first});
  entries_.erase(found);
}

template <class T>
void LoginGuard::Memory<T>::forget_old(std::int64_t now_ms) {
  while (!by_time_.empty() && by_time_.begin()->first <= now_ms) {
    entries_.erase(by_time_.begin()->second);
    by_time_.erase(by_time_.begin());
  }
}

std::string LoginGuard::key_of(std::string_view source, std::string_view user) {
  std::string key(source);
  key += '\0';
  key += user;
  return key;
}

std::int64_t LoginGuard::wait_ms(std::string_view source, std::string_view user, std::int64_t now_ms) {
  failures_.forget_old(now_ms);
  known_.forget_old(now_ms);
  const std::string key = key_of(source, user);
  Failures* const of_user = failures_.find(key);
  Failures* const of_source = known_.find(key) != nullptr ? nullptr : failures_.find(source_key(source));
  std::int64_t open_ms = now_ms;
  for (const Failures* found : {of_user, of_source}) {
    if (found != nullptr) open_ms = std::max(open_ms, found->closed_until_ms);
  }
  if (open_ms - now_ms > kMaxWaitMs) return -1;
  for (Failures* found : {of_user, of_source}) {
    if (found != nullptr && found->delay_ms != 0) found->closed_until_ms = open_ms + found->delay_ms;
  }
  return open_ms - now_ms;
}

std::int64_t LoginGuard::failed(std::string_view source, std::string_view user, std::int64_t now_ms) {
  failures_.forget_old(now_ms);
  const std::string key = key_of(source, user);
  const bool is_new_name = failures_.find(key) == nullptr;
  const std::int64_t of_user = add_failure(key, 0, now_ms);
  const std::int64_t of_source =
      is_new_name ? add_failure(source_key(source), kFreeForSource, now_ms) : std::int64_t{0};
  return std::max(of_user, of_source);
}

// The source's failures with other names stay: who has one account must not be free to guess for the rest.
void LoginGuard::succeeded(std::string_view source, std::string_view user, std::int64_t now_ms) {
  const std::string key = key_of(source, user);
  failures_.forget(key);
  known_.renew(key, now_ms, now_ms + kKnownMs);
}

std::int64_t LoginGuard::add_failure(std::string_view key, unsigned free, std::int64_t now_ms) {
  Failures& failures = failures_.renew(key, now_ms, now_ms + kForgetMs);
  ++failures.count;
  if (failures.count <= free) return 0;
  const unsigned doublings = std::min(failures.count - free - 1, 16u);
  failures.delay_ms = std::min(kFirstDelayMs << doublings, kMaxDelayMs);
  failures.closed_until_ms = std::max(failures.closed_until_ms, now_ms + failures.delay_ms);
  return failures.delay_ms;
}

}  // namespace millrace::broker
