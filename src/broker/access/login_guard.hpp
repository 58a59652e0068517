// Slows guessing down: after a failed login, the next one of the same source and user waits, longer each
// time; likewise of a source that tries many names. Many clients may share a source (a machine, a proxy), so
// that a name which has got in from there does not wait for what others do, and one name that fails again and
// again counts once.
//
// Waiting costs a timer and no thread. Bounds: kMaxEntries failures are remembered (the one that is forgotten
// soonest goes first), each for kForgetMs after the last one, and as many successes, for kKnownMs; an attempt
// that would have to wait for longer than kMaxWaitMs is refused unread. Thread: its owner's. Times are of any
// clock that does not go back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace millrace::broker {

class LoginGuard {
 public:
  static constexpr std::size_t kMaxEntries = 65'536;
  static constexpr std::int64_t kFirstDelayMs = 100;
  static constexpr std::int64_t kMaxDelayMs = 5'000;
  static constexpr std::int64_t kMaxWaitMs = 8'000;
  static constexpr std::int64_t kForgetMs = 60'000;
  static constexpr std::int64_t kKnownMs = 86'400'000;
  // Names that fail from a source before others there wait as well: many may share an address.
  static constexpr unsigned kFreeForSource = 20;

  // How long an attempt that begins now has to wait before it is looked at; negative: it is to be refused.
  // Where one waits already, the next waits behind it.
  std::int64_t wait_ms(std::string_view source, std::string_view user, std::int64_t now_ms);
  // How long its refusal is to be held back.
  std::int64_t failed(std::string_view source, std::string_view user, std::int64_t now_ms);
  void succeeded(std::string_view source, std::string_view user, std::int64_t now_ms);

  std::size_t size() const noexcept { return failures_.size() + known_.size(); }

  // "192.0.2.1:4711" → "192.0.2.1"
  static std::string_view source_of(std::string_view peer) noexcept {
    return peer.substr(0, peer.rfind(':'));
  }

 private:
  struct Failures {
    unsigned count = 0;
    std::int64_t delay_ms = 0;
    std::int64_t closed_until_ms = 0;
  };
  // What is remembered until a time of its own, the soonest forgotten first.
  template <class T>
  class Memory {
   public:
    T* find(std::string_view key) {
      const auto found = entries_.find(key);
      return found == entries_.end() ? nullptr : &found->second.value;
    }
    T& renew(std::string_view key, std::int64_t now_ms, std::int64_t forget_ms);
    void forget(std::string_view key);
    void forget_old(std::int64_t now_ms);
    std::size_t size() const noexcept { return entries_.size(); }

   private:
    struct Entry {
      T value{};
      std::int64_t forget_ms = 0;
    };
    std::map<std::string, Entry, std::less<>> entries_;
    std::set<std::pair<std::int64_t, std::string>> by_time_;
  };
  struct Known {};

  static std::string key_of(std::string_view source, std::string_view user);
  std::int64_t add_failure(std::string_view key, unsigned free, std::int64_t now_ms);

  Memory<Failures> failures_;
  Memory<Known> known_;
};

}  // namespace millrace::broker
