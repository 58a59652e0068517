// The items of a first-in-first-out queue: a chain of segments, with a lock at each end.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

#include "millrace/detail/queue_lock.hpp"

namespace millrace::detail {

// Two cores write lines that are apart, even where the processor fetches lines in pairs.
inline constexpr std::size_t kApart = 128;

// What the two ends of every queue hold. Positions only grow: `pushed` is written under the lock of the
// putting end, `popped` under that of the getting end, and each end remembers what it last saw of the other,
// so that it need not look each time. The flags are written under both locks, so either is enough to read
// them.
struct PutEnd {
  QueueLock lock;
  bool refuses = false;       // closed, or putters wait that were here first
  bool getters_wait = false;  // somebody is to be told of a new item
  std::atomic<std::uint64_t> pushed{0};
  std::uint64_t popped_seen = 0;
};

struct GetEnd {
  QueueLock lock;
  bool refuses = false;       // getters wait that were here first
  bool putters_wait = false;  // somebody is to be told of room
  std::atomic<std::uint64_t> popped{0};
  std::uint64_t pushed_seen = 0;
};

template <class T>
class FifoStore {
 private:
  static constexpr std::size_t kSegmentBytes = 4096 - 64;
  static constexpr std::uint32_t kSlots = sizeof(T) * 8 > kSegmentBytes ? 8 : kSegmentBytes / sizeof(T);

  struct Segment {
    [[nodiscard]] T* slot(std::uint32_t index) noexcept {
      return std::launder(reinterpret_cast<T*>(bytes + index * sizeof(T)));
    }
    Segment* next = nullptr;
    alignas(T) std::byte bytes[kSlots * sizeof(T)];
  };

  struct alignas(kApart) FifoPutEnd : PutEnd {
    Segment* segment = nullptr;
    std::uint32_t index = 0;
  };
  struct alignas(kApart) FifoGetEnd : GetEnd {
    Segment* segment = nullptr;
    std::uint32_t index = 0;
  };

 public:
  static constexpr bool kOneLock = false;

  FifoStore() { put.segment = get.segment = new Segment; }
  FifoStore(const FifoStore&) = delete;
  FifoStore& operator=(const FifoStore&) = delete;

  // Empty by then: the queue has discarded what was in it.
  ~FifoStore() {
    while (get.segment != nullptr) delete std::exchange(get.segment, get.segment->next);
    delete spare_.load(std::memory_order_relaxed);
  }

  // Under the lock of the putting end. The item may be seen once the queue has written `pushed`.
  template <class Item>
  void push(Item&& item) {
    if (put.index == kSlots) add_segment();
    std::construct_at(put.segment->slot(put.index), std::forward<Item>(item));
    ++put.index;
  }

  // Under the lock of the getting end, when there is an item.
  [[nodiscard]] T& front() noexcept {
    if (get.index == kSlots) drop_segment();
    return *get.segment->slot(get.index);
  }

  void pop() noexcept {
    std::destroy_at(get.segment->slot(get.index));
    ++get.index;
  }

  void discard(std::size_t count) noexcept {
    for (; count > 0; --count) {
      (void)front();
      pop();
    }
  }

  FifoPutEnd put;
  FifoGetEnd get;

 private:
  // An empty segment at the end of the chain is sound, so it does not matter if the item then throws.
  void add_segment() {
    Segment* segment = spare_.exchange(nullptr, std::memory_order_acquire);
    if (segment == nullptr) segment = new Segment;
    put.segment->next = segment;
    put.segment = segment;
    put.index = 0;
  }

  // There is an item, so there is a next segment.
  void drop_segment() noexcept {
    Segment* read = std::exchange(get.segment, get.segment->next);
    get.index = 0;
    read->next = nullptr;
    delete spare_.exchange(read, std::memory_order_acq_rel);
  }

  alignas(kApart) std::atomic<Segment*> spare_{nullptr};  // the last one read to its end, to be filled again
};

}  // namespace millrace::detail
