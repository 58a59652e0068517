// In which order a millrace::queue serves its items. Equal ones are served in the order in which they were
// put, except by lifo.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <utility>

#include "millrace/detail/queue_ordered_store.hpp"

namespace millrace {

// The oldest first. The fastest one: putters and getters do not meet at one lock.
struct fifo {
  template <class T>
  struct store : detail::FifoStore<T> {
    explicit store(fifo) {}
  };
};

// The newest first.
struct lifo {
  template <class T>
  struct store : detail::LifoStore<T> {
    explicit store(lifo) {}
  };
};

// The greatest first, as std::priority_queue does; std::greater<> makes it the least first.
template <class Compare = std::less<>>
struct by_priority {
  Compare compare{};

  struct keys {
    template <class T>
    using Key = const T*;
    template <class T>
    Key<T> key_of(const T& item) const noexcept {
      return &item;
    }
    template <class T>
    bool before(const T* a, const T* b) {
      return compare(*b, *a);
    }
    template <class T>
    void served(const T*) noexcept {}
    Compare compare;
  };
  template <class T>
  struct store : detail::HeapStore<T, keys> {
    explicit store(by_priority order) : detail::HeapStore<T, keys>(keys{std::move(order.compare)}) {}
  };
};

// The lowest rank first: a number that is asked for once, when an item is put. It serves shortest job first
// (the estimated time), earliest deadline first (the deadline), ageing (now + estimate / share) and so on.
// RankOf is called under the queue's lock, one call at a time, so it may keep state; if it has a member
// served(int64_t rank) noexcept, that is called when an item is taken, which is what fair sharing needs.
template <class RankOf>
struct ranked {
  RankOf rank_of{};

  struct keys {
    template <class T>
    using Key = std::int64_t;
    template <class T>
    std::int64_t key_of(const T& item) {
      return rank_of(item);
    }
    bool before(std::int64_t a, std::int64_t b) const noexcept { return a < b; }
    void served(std::int64_t rank) noexcept {
      if constexpr (requires { rank_of.served(rank); }) rank_of.served(rank);
    }
    RankOf rank_of;
  };
  template <class T>
  struct store : detail::HeapStore<T, keys> {
    explicit store(ranked order) : detail::HeapStore<T, keys>(keys{std::move(order.rank_of)}) {}
  };
};
template <class RankOf>
ranked(RankOf) -> ranked<RankOf>;

}  // namespace millrace
