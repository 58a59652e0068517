// Slows guessing down: after a failed login, the next one of the same source and user waits, longer each
// time; likewise of a source that tries many names.
//
// Waiting costs a timer and no thread. Bounds: kMaxEntries are remembered (the one that is forgotten soonest
// goes first), each for kForgetMs after its last failure; an attempt that would have to wait for longer than
// kMaxWaitMs is refused unread. Thread: its owner's. Times are of any clock that does not go back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace millrace::broker {

class LoginGuard {
 public:
  static constexpr std::size_t kMaxEntries = 65'536;
  static constexpr std::int64_t kFirstDelayMs = 100;
  static constexpr std::int64_t kMaxDelayMs = 5'000;
  static constexpr std::int64_t kMaxWaitMs = 8'000;
  static constexpr std::int64_t kForgetMs = 60'000;
  // Failures of a source, whoever it says that it is, before it waits as well: many may share an address.
  static constexpr unsigned kFreeForSource = 20;

  // How long an attempt that begins now has to wait before it is looked at; negative: it is to be refused.
  // Where one waits already, the next waits behind it.
  std::int64_t wait_ms(std::string_view source, std::string_view user, std::int64_t now_ms);
  // How long its refusal is to be held back.
  std::int64_t failed(std::string_view source, std::string_view user, std::int64_t now_ms);
  void succeeded(std::string_view source, std::string_view user);

  std::size_t size() const noexcept { return entries_.size(); }

  // "192.0.2.1:4711" → "192.0.2.1"
  static std::string_view source_of(std::string_view peer) noexcept {
    return peer.substr(0, peer.rfind(':'));
  }

 private:
  struct Entry {
    unsigned failures = 0;
    std::int64_t delay_ms = 0;
    std::int64_t closed_until_ms = 0;
    std::int64_t forget_ms = 0;
  };
  static std::string key_of(std::string_view source, std::string_view user);
  std::int64_t add_failure(std::string key, unsigned free, std::int64_t now_ms);
  void make_room(std::int64_t now_ms);

  std::map<std::string, Entry, std::less<>> entries_;
  std::multimap<std::int64_t, std::string> by_time_;  // of forgetting
};

}  // namespace millrace::broker
