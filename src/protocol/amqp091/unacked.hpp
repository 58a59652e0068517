// The deliveries of one channel that its client has yet to settle, in the order of their delivery tags.
//
// A ring: taking from the front and the newest are O(1); a tag in the middle is found where it would be if
// nothing were missing before it, else by bisection. Holes are closed when they outnumber what is left, so
// that one forgotten message does not hold the memory of all that came after it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace millrace::amqp091 {

class Unacked {
 public:
  struct Entry {
    std::uint64_t tag = 0;
    std::uint64_t seq = 0;     // names the message in its queue
    std::uint32_t source = 0;  // whom it was delivered to, an index of the channel's
    bool taken = false;
  };

  std::size_t size() const noexcept { return live_; }

  // Tags rise.
  void push(std::uint64_t tag, std::uint32_t source, std::uint64_t seq) {
    if (count_ == ring_.size()) grow();
    at(count_++) = {tag, seq, source, false};
    ++live_;
  }

  // Calls taken(const Entry&) for the tag, or with `multiple` for it and all before it, oldest first, and
  // forgets them. False when there is no such tag: then nothing was taken.
  template <class Taken>
  bool take(std::uint64_t tag, bool multiple, Taken&& taken) {
    const std::size_t position = find(tag);
    if (position == count_) return false;
    for (std::size_t i = multiple ? 0 : position; i <= position; ++i) {
      Entry& entry = at(i);
      if (entry.taken) continue;
      entry.taken = true;
      --live_;
      taken(static_cast<const Entry&>(entry));
    }
    trim();
    return true;
  }

  template <class Taken>
  void take_all(Taken&& taken) {
    for (std::size_t i = 0; i < count_; ++i) {
      if (!at(i).taken) taken(static_cast<const Entry&>(at(i)));
    }
    head_ = count_ = live_ = 0;
  }

  // Puts back what was taken (tx.rollback).
  void restore(const std::vector<Entry>& entries) {
    std::vector<Entry> all(entries);
    take_all([&](const Entry& entry) { all.push_back(entry); });
    std::sort(all.begin(), all.end(), [](const Entry& a, const Entry& b) { return a.tag < b.tag; });
    for (const Entry& entry : all) push(entry.tag, entry.source, entry.seq);
  }

 private:
  Entry& at(std::size_t position) noexcept { return ring_[(head_ + position) & (ring_.size() - 1)]; }

  std::size_t find(std::uint64_t tag) noexcept {
    if (count_ == 0 || tag < at(0).tag) return count_;
    const std::uint64_t guess = tag - at(0).tag;
    std::size_t low = 0;
    if (guess < count_ && at(guess).tag == tag) {
      low = guess;
    } else {
      std::size_t high = count_;
      while (low < high) {
        const std::size_t middle = (low + high) / 2;
        if (at(middle).tag < tag) {
          low = middle + 1;
        } else {
          high = middle;
        }
      }
    }
    return low < count_ && at(low).tag == tag && !at(low).taken ? low : count_;
  }

  void trim() {
    while (count_ != 0 && at(0).taken) {
      head_ = (head_ + 1) & (ring_.size() - 1);
      --count_;
    }
    if (count_ - live_ > live_ + kHolesKept) close_holes();
  }

  void close_holes() {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < count_; ++i) {
      if (!at(i).taken) at(kept++) = at(i);
    }
    count_ = kept;
  }

  void grow() {
    std::vector<Entry> bigger(ring_.empty() ? 16 : ring_.size() * 2);
    for (std::size_t i = 0; i < count_; ++i) bigger[i] = at(i);
    ring_.swap(bigger);
    head_ = 0;
  }

  static constexpr std::size_t kHolesKept = 64;

  std::vector<Entry> ring_;  // its size is a power of two
  std::size_t head_ = 0;
  std::size_t count_ = 0;  // entries in the ring, with those taken
  std::size_t live_ = 0;
};

}  // namespace millrace::amqp091
