// millrace::queue<T>: hands items from producers to consumers inside one process.
//
//   millrace::queue<job> jobs(100);              // bounded: put() waits while 100 are in it
//   jobs.put(job{...});                          // any number of threads
//   while (auto next = jobs.next()) { work(*next); jobs.task_done(); }
//   jobs.join();                                 // everything that was put is done
//   jobs.close();                                // consumers' loops end
//
// <millrace/queue_async.hpp> adds async_get, async_put and async_join for callbacks, futures and coroutines;
// they and the calls here wait on the same queue, in one line. docs/inprocess.md tells it at length.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "millrace/detail/queue_waiters.hpp"
#include "millrace/queue_order.hpp"

namespace millrace {

// get() on a queue that is closed and empty, put() on one that is closed.
class queue_closed : public std::runtime_error {
 public:
  queue_closed();
};

// Thread-safe: every member may be called by any thread at any time, but for the destructor, which nobody may
// wait behind (close() first). A queue neither starts a thread nor owns one.
//
// Order: fifo (the default), lifo, by_priority, ranked; see queue_order.hpp. With fifo, items come out in one
// order for all: the one in which their puts happened. So what one producer puts (a thread, or a coroutine
// that awaits each put) is taken in the order in which it was put. Several consumers may of course overtake
// one another after they have taken their items.
//
// Fairness: whoever has to wait stands in one line for each end, threads and asynchronous operations alike. A
// newcomer may be faster than a thread that was just woken, but only eight times: then that thread goes
// first. Nobody overtakes an asynchronous operation.
//
// Exceptions: what T's copies and moves, a Compare or a RankOf throw reaches the caller, and the queue is as
// before: nothing was put; or the item is still the next one, copied from rather than moved from where T
// allows (as std::vector does it). A failed allocation (std::bad_alloc) likewise.
//
// Memory: an item's own, in blocks of 4 KiB (fifo), and what it points to. Unbounded means bounded by memory:
// give a capacity where producers can be faster than consumers.
template <class T, class Order = fifo>
class queue {
  static_assert(std::is_object_v<T> && !std::is_const_v<T>);
  using Store = typename Order::template store<T>;
  using Operation = detail::ItemOperation<T>;

 public:
  using value_type = T;

  // A capacity of 0 means unbounded.
  explicit queue(std::size_t capacity = 0, Order order = Order{})
      : store_(std::move(order)),
        limit_(capacity == 0 ? std::numeric_limits<std::uint64_t>::max() : capacity) {}
  queue(const queue&) = delete;
  queue& operator=(const queue&) = delete;
  // Asynchronous operations that still wait end as on close(); items that are left are destroyed.
  ~queue() { close_and_discard(); }

  // -- Putting. An item that is not taken (false, or an exception of ours) is left as it was.
  // -----------------

  // Waits for room. Throws queue_closed.
  void put(const T& item) { put_or_throw(item); }
  void put(T&& item) { put_or_throw(std::move(item)); }

  // False at once when there is no room, others wait for it, or the queue is closed.
  [[nodiscard]] bool try_put(const T& item) { return put_if(try_for_room(), item); }
  [[nodiscard]] bool try_put(T&& item) { return put_if(try_for_room(), std::move(item)); }

  // False when the time has passed, or the queue is closed.
  template <class Item, class Rep, class Period>
  [[nodiscard]] bool put_for(Item&& item, std::chrono::duration<Rep, Period> time) {
    return put_if(wait_for_room(after(time)), std::forward<Item>(item));
  }
  template <class Item>
  [[nodiscard]] bool put_until(Item&& item, std::chrono::steady_clock::time_point deadline) {
    return put_if(wait_for_room(deadline), std::forward<Item>(item));
  }

  // -- Getting
  // ------------------------------------------------------------------------------------------------

  // Waits for an item. Throws queue_closed once the queue is closed and empty.
  [[nodiscard]] T get() {
    ItemTurn turn = wait_for_item(detail::kNoDeadline);
    if (!turn) throw queue_closed();
    return turn.template take<T>();
  }

  // Waits for an item; nothing once the queue is closed and empty. Made for loops.
  [[nodiscard]] std::optional<T> next() { return get_if(wait_for_item(detail::kNoDeadline)); }

  // Nothing when there is none, or others wait for it.
  [[nodiscard]] std::optional<T> try_get() { return get_if(try_for_item()); }

  // Nothing when the time has passed, or the queue is closed and empty.
  template <class Rep, class Period>
  [[nodiscard]] std::optional<T> get_for(std::chrono::duration<Rep, Period> time) {
    return get_if(wait_for_item(after(time)));
  }
  [[nodiscard]] std::optional<T> get_until(std::chrono::steady_clock::time_point deadline) {
    return get_if(wait_for_item(deadline));
  }

  // -- Finishing
  // ----------------------------------------------------------------------------------------------

  // An item that was taken has been dealt with. Throws std::logic_error when that was said more often than
  // items were put. What the caller did before is seen by whoever join() lets go on.
  void task_done() {
    const std::uint64_t done = done_.fetch_add(1) + 1;
    if (done < pushed_seen_by_done_.load(std::memory_order_relaxed)) return;
    const std::uint64_t pushed = store_.put.pushed.load();
    pushed_seen_by_done_.store(pushed, std::memory_order_relaxed);
    if (done > pushed) {
      done_.fetch_sub(1);
      throw std::logic_error("millrace::queue: task_done() was called more often than items were put");
    }
    if (done == pushed && joining_.load()) let_joiners_go();
  }

  // Waits until task_done() was called for every item that was put. On a queue that nobody puts into any more
  // this means that all work is done; otherwise, that it was at one moment.
  void join() { (void)join_until(detail::kNoDeadline); }
  // False when the time has passed first.
  template <class Rep, class Period>
  [[nodiscard]] bool join_for(std::chrono::duration<Rep, Period> time) {
    return join_until(after(time));
  }
  [[nodiscard]] bool join_until(std::chrono::steady_clock::time_point deadline);

  // Nothing can be put any more; what is in the queue can still be taken. Whoever waits to put, or for an
  // item that will not come, is told. Closing twice is closing once.
  void close() noexcept;

  // Closes and destroys what is in the queue; those items count as done. Says how many there were.
  std::size_t close_and_discard() noexcept;

  // -- Looking: true at some moment during the call, perhaps not any more
  // -------------------------------------

  [[nodiscard]] std::size_t size() const noexcept {
    const std::uint64_t popped = store_.get.popped.load(std::memory_order_acquire);
    return static_cast<std::size_t>(store_.put.pushed.load(std::memory_order_acquire) - popped);
  }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  // Items put and not yet done; join() waits for 0.
  [[nodiscard]] std::size_t unfinished() const noexcept {
    const std::uint64_t done = done_.load();
    return static_cast<std::size_t>(store_.put.pushed.load() - done);
  }
  // 0 means unbounded.
  [[nodiscard]] std::size_t capacity() const noexcept {
    return limit_ == std::numeric_limits<std::uint64_t>::max() ? 0 : static_cast<std::size_t>(limit_);
  }
  [[nodiscard]] bool closed() const noexcept { return closed_.load(std::memory_order_acquire); }

  // -- Asynchronous, defined in <millrace/queue_async.hpp>
  // ----------------------------------------------------

  // Completes with (error_code, std::optional<T>): an item, or none once the queue is closed and empty.
  template <class CompletionToken>
  auto async_get(CompletionToken&& token);
  // Completes with (error_code): queue_errc::closed when the queue is closed.
  template <class CompletionToken>
  auto async_put(T item, CompletionToken&& token);
  // Completes with (error_code) when join() would return.
  template <class CompletionToken>
  auto async_join(CompletionToken&& token);

 private:
  enum class Held : std::uint8_t { kNothing, kOneEnd, kBoth };

  // The right to take the next item: there is one, and the locks are held. False: there will be none.
  class ItemTurn {
   public:
    ItemTurn() = default;
    ItemTurn(queue& its_queue, Held held) noexcept : queue_(&its_queue), held_(held) {}
    ItemTurn(ItemTurn&& other) noexcept
        : queue_(other.queue_), held_(std::exchange(other.held_, Held::kNothing)) {}
    ItemTurn& operator=(ItemTurn&&) = delete;
    ~ItemTurn() {
      if (held_ == Held::kOneEnd) {
        const bool tell = queue_->store_.get.putters_wait;
        queue_->get_lock().unlock();
        if (tell) queue_->settle();
      } else if (held_ == Held::kBoth) {
        queue_->settle_and_unlock();
      }
    }
    explicit operator bool() const noexcept { return held_ != Held::kNothing; }

    // The item leaves the queue once the result is made, and not when that throws.
    template <class Result>
    [[nodiscard]] Result take() {
      T& item = queue_->store_.front();
      const Leaving leaving(*queue_);
      if constexpr (std::is_same_v<Result, T>) {
        return T(std::move_if_noexcept(item));
      } else {
        return Result(std::in_place, std::move_if_noexcept(item));
      }
    }

   private:
    class Leaving {
     public:
      explicit Leaving(queue& its_queue) noexcept : queue_(its_queue) {}
      Leaving(const Leaving&) = delete;
      Leaving& operator=(const Leaving&) = delete;
      ~Leaving() {
        if (!kCanThrow || std::uncaught_exceptions() == exceptions_) queue_.pop();
      }

     private:
      static constexpr bool kCanThrow =
          !std::is_nothrow_constructible_v<T, decltype(std::move_if_noexcept(std::declval<T&>()))>;
      queue& queue_;
      const int exceptions_ = kCanThrow ? std::uncaught_exceptions() : 0;
    };

    queue* queue_ = nullptr;
    Held held_ = Held::kNothing;
  };

  // The right to put an item: there is room, and the locks are held. False: there will be none.
  class RoomTurn {
   public:
    RoomTurn() = default;
    RoomTurn(queue& its_queue, Held held) noexcept : queue_(&its_queue), held_(held) {}
    RoomTurn(RoomTurn&& other) noexcept
        : queue_(other.queue_), held_(std::exchange(other.held_, Held::kNothing)) {}
    RoomTurn& operator=(RoomTurn&&) = delete;
    ~RoomTurn() {
      if (held_ == Held::kOneEnd) {
        const bool tell = queue_->store_.put.getters_wait;
        queue_->put_lock().unlock();
        if (tell) queue_->settle();
      } else if (held_ == Held::kBoth) {
        queue_->settle_and_unlock();
      }
    }
    explicit operator bool() const noexcept { return held_ != Held::kNothing; }

    template <class Item>
    void push(Item&& item) {
      queue_->push(std::forward<Item>(item));
    }

   private:
    queue* queue_ = nullptr;
    Held held_ = Held::kNothing;
  };

  // One end of the queue, as those see it who wait there. All under both locks.
  struct Line {
    detail::WaiterList waiters;
    bool one_on_its_way = false;  // a thread was woken and has not come yet; it will tell the next
    std::size_t go_first = 0;     // waiters that newcomers may not overtake

    [[nodiscard]] bool to_be_told() const noexcept {
      return !waiters.empty() && !(one_on_its_way && waiters.front().is_thread());
    }
  };

  detail::QueueLock& put_lock() noexcept { return store_.put.lock; }
  detail::QueueLock& get_lock() noexcept {
    if constexpr (Store::kOneLock) return store_.put.lock;
    return store_.get.lock;
  }
  void lock_both() noexcept {
    get_lock().lock();
    if constexpr (!Store::kOneLock) put_lock().lock();
  }
  void unlock_both() noexcept {
    if constexpr (!Store::kOneLock) put_lock().unlock();
    get_lock().unlock();
  }

  template <class Item>
  void put_or_throw(Item&& item) {
    RoomTurn turn = wait_for_room(detail::kNoDeadline);
    if (!turn) throw queue_closed();
    turn.push(std::forward<Item>(item));
  }
  template <class Item>
  static bool put_if(RoomTurn turn, Item&& item) {
    if (turn) turn.push(std::forward<Item>(item));
    return static_cast<bool>(turn);
  }
  static std::optional<T> get_if(ItemTurn turn) {
    if (!turn) return std::nullopt;
    return turn.template take<std::optional<T>>();
  }

  template <class Rep, class Period>
  static detail::SteadyTime after(std::chrono::duration<Rep, Period> time) {
    const auto now = std::chrono::steady_clock::now();
    // Compared as floating point: converting a very long time would overflow.
    if (std::chrono::duration<double>(time) >= std::chrono::duration<double>(detail::kNoDeadline - now)) {
      return detail::kNoDeadline;
    }
    return now + std::chrono::ceil<std::chrono::steady_clock::duration>(time);
  }

  // Under the lock of the putting end.
  template <class Item>
  void push(Item&& item) {
    store_.push(std::forward<Item>(item));
    store_.put.pushed.store(store_.put.pushed.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
  // Under the lock of the getting end.
  void pop() noexcept {
    store_.pop();
    store_.get.popped.store(store_.get.popped.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }

  [[nodiscard]] ItemTurn try_for_item() noexcept {
    return lock_item() ? ItemTurn(*this, Held::kOneEnd) : ItemTurn();
  }
  [[nodiscard]] ItemTurn wait_for_item(detail::SteadyTime deadline) {
    if (lock_item()) return ItemTurn(*this, Held::kOneEnd);
    return wait_in_line_for_item(deadline);
  }
  [[nodiscard]] ItemTurn wait_in_line_for_item(detail::SteadyTime deadline);
  [[nodiscard]] RoomTurn try_for_room() noexcept {
    return lock_room() ? RoomTurn(*this, Held::kOneEnd) : RoomTurn();
  }
  [[nodiscard]] RoomTurn wait_for_room(detail::SteadyTime deadline) {
    if (lock_room()) return RoomTurn(*this, Held::kOneEnd);
    return wait_in_line_for_room(deadline);
  }
  [[nodiscard]] RoomTurn wait_in_line_for_room(detail::SteadyTime deadline);

  // The getting end's lock is held when there is an item for a newcomer, and only then.
  [[nodiscard]] bool lock_item() noexcept {
    auto& end = store_.get;
    get_lock().lock();
    if (!end.refuses) [[likely]] {
      const std::uint64_t popped = end.popped.load(std::memory_order_relaxed);
      if (popped != end.pushed_seen) return true;
      end.pushed_seen = store_.put.pushed.load(std::memory_order_acquire);
      if (popped != end.pushed_seen) return true;
    }
    get_lock().unlock();
    return false;
  }

  // The putting end's lock is held when there is room for a newcomer, and only then.
  [[nodiscard]] bool lock_room() noexcept {
    auto& end = store_.put;
    put_lock().lock();
    if (!end.refuses) [[likely]] {
      const std::uint64_t pushed = end.pushed.load(std::memory_order_relaxed);
      if (pushed - end.popped_seen < limit_) return true;
      end.popped_seen = store_.get.popped.load(std::memory_order_acquire);
      if (pushed - end.popped_seen < limit_) return true;
    }
    put_lock().unlock();
    return false;
  }

  // -- Under both locks
  // ---------------------------------------------------------------------------------------

  [[nodiscard]] std::uint64_t items() const noexcept {
    return store_.put.pushed.load(std::memory_order_relaxed) -
           store_.get.popped.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t room() const noexcept { return limit_ - items(); }
  [[nodiscard]] bool is_closed() const noexcept { return closed_.load(std::memory_order_relaxed); }

  void serve(detail::Wakeups& wakeups) noexcept;
  bool tell_first(Line& line, detail::Wakeups& wakeups) noexcept;
  detail::OperationWaiter& take_operation(Line& line, detail::Wakeups& wakeups) noexcept;
  void end_all(Line& line, detail::WaitEnd end, detail::Wakeups& wakeups) noexcept;
  bool all_done() const noexcept { return done_.load() == store_.put.pushed.load(); }

  void write_flags() noexcept {
    store_.get.pushed_seen = store_.put.pushed.load(std::memory_order_relaxed);
    store_.get.refuses = getters_.go_first > 0;
    store_.get.putters_wait = putters_.to_be_told();
    store_.put.refuses = putters_.go_first > 0 || is_closed();
    store_.put.getters_wait = getters_.to_be_told();
  }
  // Ends every section under both locks.
  void settle_and_unlock(detail::Wakeups& wakeups) noexcept {
    serve(wakeups);
    write_flags();
    unlock_both();
    wakeups.run();
  }
  void settle_and_unlock() noexcept {
    detail::Wakeups wakeups;
    settle_and_unlock(wakeups);
  }
  void settle() noexcept {
    lock_both();
    settle_and_unlock();
  }

  // Stands in line until it may go on (true, both locks held), or it is over or the deadline passed (false,
  // nothing held). `ready` and `over` are asked under both locks.
  template <class Ready, class Over>
  [[nodiscard]] bool wait_in_line(Line& line, detail::SteadyTime deadline, Ready ready, Over over);
  template <class Condition>
  static bool look_again(detail::Lookout& lookout, Condition condition) noexcept;
  void let_joiners_go() noexcept;

  // For queue_async.hpp. An operation that was started is completed exactly once, by whoever ends its
  // waiting.
  void start(Line& line, detail::OperationWaiter& operation) noexcept;
  void cancel(Line& line, detail::OperationWaiter& operation) noexcept;
  template <class Base, class Handler, class... Item>
  void start_operation(Line& line, Handler&& handler, Item&&... item);

  Store store_;
  alignas(detail::kApart) const std::uint64_t limit_;
  std::atomic<bool> closed_{false};
  Line getters_;
  Line putters_;
  Line joiners_;
  detail::Lookout lookout_for_item_;
  detail::Lookout lookout_for_room_;
  alignas(detail::kApart) std::atomic<std::uint64_t> done_{0};
  std::atomic<std::uint64_t> pushed_seen_by_done_{0};
  std::atomic<bool> joining_{false};
};

}  // namespace millrace

#include "millrace/detail/queue_waiting.hpp"
