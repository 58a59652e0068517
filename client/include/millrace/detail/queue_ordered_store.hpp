// The items of queues that serve the last, the greatest or the lowest first. Both ends are one, with one
// lock.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "millrace/detail/queue_fifo_store.hpp"

namespace millrace::detail {

// Memory for items that stay where they are. Given back when the last item goes, but for one block.
template <class T>
class ItemBlocks {
 public:
  template <class Item>
  [[nodiscard]] T* make(Item&& item) {
    if (free_ == nullptr) add_block();
    Slot* slot = free_;
    Slot* rest = slot->next;
    T* made = nullptr;
    try {
      made = std::construct_at(reinterpret_cast<T*>(slot->bytes), std::forward<Item>(item));
    } catch (...) {
      slot->next = rest;  // half an item may have been written over it
      throw;
    }
    free_ = rest;
    ++used_;
    return made;
  }

  void destroy(T* item) noexcept {
    std::destroy_at(item);
    Slot* slot = reinterpret_cast<Slot*>(item);
    slot->next = std::exchange(free_, slot);
    if (--used_ == 0 && blocks_.size() > 1) {
      blocks_.resize(1);
      thread_through(*blocks_.front());
    }
  }

 private:
  union Slot {
    Slot* next;
    alignas(T) std::byte bytes[sizeof(T)];
  };
  using Block = std::array<Slot, 64>;

  void add_block() {
    blocks_.push_back(std::unique_ptr<Block>(new Block));
    thread_through(*blocks_.back());
  }

  void thread_through(Block& block) noexcept {
    free_ = nullptr;
    for (Slot& slot : block) slot.next = std::exchange(free_, &slot);
  }

  std::vector<std::unique_ptr<Block>> blocks_;
  Slot* free_ = nullptr;
  std::size_t used_ = 0;
};

struct alignas(kApart) OrderedPutEnd : PutEnd {};
struct alignas(kApart) OrderedGetEnd : GetEnd {};

template <class T>
class LifoStore {
 public:
  static constexpr bool kOneLock = true;

  template <class Item>
  void push(Item&& item) {
    T* made = items_.make(std::forward<Item>(item));
    try {
      stack_.push_back(made);
    } catch (...) {
      items_.destroy(made);
      throw;
    }
  }
  [[nodiscard]] T& front() noexcept { return *stack_.back(); }
  void pop() noexcept {
    items_.destroy(stack_.back());
    stack_.pop_back();
  }
  void discard(std::size_t) noexcept {
    while (!stack_.empty()) pop();
  }

  OrderedPutEnd put;
  OrderedGetEnd get;

 private:
  ItemBlocks<T> items_;
  std::vector<T*> stack_;
};

// A binary heap of keys that points to items. `Key` is made from an item when it is put; `Before` says
// whether one key is served before another, and may throw: it is only asked before anything is changed.
template <class T, class Keys>
class HeapStore {
 public:
  static constexpr bool kOneLock = true;
  using Key = typename Keys::template Key<T>;

  explicit HeapStore(Keys keys) : keys_(std::move(keys)) {}

  template <class Item>
  void push(Item&& item) {
    T* made = items_.make(std::forward<Item>(item));
    try {
      Entry added{keys_.key_of(*made), next_sequence_, made};
      heap_.push_back(added);
      std::size_t place = heap_.size() - 1;
      try {
        while (place > 0 && before(added, heap_[(place - 1) / 2])) place = (place - 1) / 2;
      } catch (...) {
        heap_.pop_back();
        throw;
      }
      for (std::size_t at = heap_.size() - 1; at != place; at = (at - 1) / 2) heap_[at] = heap_[(at - 1) / 2];
      heap_[place] = added;
      ++next_sequence_;
    } catch (...) {
      items_.destroy(made);
      throw;
    }
  }

  // Finds what will come after it as well: once this has returned, pop() cannot fail.
  [[nodiscard]] T& front() {
    find_way_down();
    return *heap_.front().item;
  }

  void pop() noexcept {
    keys_.served(heap_.front().key);
    items_.destroy(heap_.front().item);
    std::size_t hole = 0;
    for (std::size_t step = 0; step < way_length_; ++step) {
      heap_[hole] = heap_[way_[step]];
      hole = way_[step];
    }
    heap_[hole] = heap_.back();
    heap_.pop_back();
  }

  void discard(std::size_t) noexcept {
    for (const Entry& entry : heap_) items_.destroy(entry.item);
    heap_.clear();
  }

  OrderedPutEnd put;
  OrderedGetEnd get;

 private:
  struct Entry {
    Key key;
    std::uint64_t sequence;
    T* item;
  };

  bool before(const Entry& a, const Entry& b) {
    if (keys_.before(a.key, b.key)) return true;
    if (a.sequence > b.sequence) return false;
    return !keys_.before(b.key, a.key);
  }

  // The places whose entries move up when the last entry fills the hole at the top.
  void find_way_down() {
    way_length_ = 0;
    const std::size_t size = heap_.size() - 1;  // without the last one, which looks for its place
    const Entry last = heap_.back();
    for (std::size_t hole = 0;;) {
      std::size_t child = 2 * hole + 1;
      if (child >= size) return;
      if (child + 1 < size && before(heap_[child + 1], heap_[child])) ++child;
      if (!before(heap_[child], last)) return;
      way_[way_length_++] = child;
      hole = child;
    }
  }

  Keys keys_;
  ItemBlocks<T> items_;
  std::vector<Entry> heap_;
  std::array<std::size_t, 64> way_{};
  std::size_t way_length_ = 0;
  std::uint64_t next_sequence_ = 0;
};

}  // namespace millrace::detail
