// Who waits on a millrace::queue, threads and asynchronous operations in one list, in the order they came.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>

#include "millrace/detail/queue_lock.hpp"

namespace millrace::detail {

// Linked and unlinked under both locks of the queue.
struct QueueWaiter {
  enum class Kind : std::uint8_t { kThread, kOperation };

  explicit QueueWaiter(Kind its_kind) noexcept : kind(its_kind) {}
  QueueWaiter(const QueueWaiter&) = delete;
  QueueWaiter& operator=(const QueueWaiter&) = delete;

  [[nodiscard]] bool is_thread() const noexcept { return kind == Kind::kThread; }

  QueueWaiter* previous = nullptr;
  QueueWaiter* next = nullptr;
  const Kind kind;
  bool linked = false;

 protected:
  ~QueueWaiter() = default;
};

class WaiterList {
 public:
  [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
  [[nodiscard]] QueueWaiter& front() const noexcept { return *first_; }

  void push_back(QueueWaiter& waiter) noexcept {
    waiter.previous = last_;
    waiter.next = nullptr;
    (last_ ? last_->next : first_) = &waiter;
    last_ = &waiter;
    waiter.linked = true;
  }

  void push_front(QueueWaiter& waiter) noexcept {
    waiter.previous = nullptr;
    waiter.next = first_;
    (first_ ? first_->previous : last_) = &waiter;
    first_ = &waiter;
    waiter.linked = true;
  }

  void remove(QueueWaiter& waiter) noexcept {
    (waiter.previous ? waiter.previous->next : first_) = waiter.next;
    (waiter.next ? waiter.next->previous : last_) = waiter.previous;
    waiter.linked = false;
  }

  QueueWaiter& pop_front() noexcept {
    QueueWaiter& waiter = *first_;
    remove(waiter);
    return waiter;
  }

 private:
  QueueWaiter* first_ = nullptr;
  QueueWaiter* last_ = nullptr;
};

// A thread that sleeps, on its own stack. It is told to look again; it is never given anything.
struct ThreadWaiter final : QueueWaiter {
  ThreadWaiter() noexcept : QueueWaiter(Kind::kThread) {}

  // Once this is called the waiter may be gone: only its address is any use, for wake_one_on().
  void notify() noexcept { notified.store(1, std::memory_order_release); }

  // False when the deadline passed first.
  bool sleep(SteadyTime deadline) noexcept {
    while (notified.load(std::memory_order_acquire) == 0) {
      if (deadline != kNoDeadline && std::chrono::steady_clock::now() >= deadline) return false;
      sleep_on(notified, 0, deadline);
    }
    return true;
  }

  std::atomic<std::uint32_t> notified{0};
  // How often it was woken and another was faster. From kTimesOvertaken on it goes first: a queue that hands
  // each item to one certain sleeper is fair and slow, so it does that only for whom luck has left.
  static constexpr unsigned kTimesOvertaken = 8;
  unsigned times_overtaken = 0;
};

enum class WaitEnd : std::uint8_t { kDone, kClosed, kCancelled, kNoMemory, kRefused };

// An asynchronous operation. Under the locks it is decided (`end` set, an item moved in or out); complete()
// is called by the same thread once they are released, and hands the operation to its executor.
struct OperationWaiter : QueueWaiter {
  OperationWaiter() noexcept : QueueWaiter(Kind::kOperation) {}
  virtual void complete() noexcept = 0;

  WaitEnd end = WaitEnd::kDone;
  // Nobody waits for the queue any more; whoever sees this must not touch it, for it may be gone.
  std::atomic<bool> decided{false};

 protected:
  ~OperationWaiter() = default;
};

template <class T>
struct ItemOperation : OperationWaiter {
  std::optional<T> item;  // what a get was given, or a put brings

 protected:
  ~ItemOperation() = default;
};

template <class T>
struct GetOperation : ItemOperation<T> {
  static constexpr bool kGives = true;

 protected:
  ~GetOperation() = default;
};
template <class T>
struct PutOperation : ItemOperation<T> {
  static constexpr bool kGives = false;

 protected:
  ~PutOperation() = default;
};
struct JoinOperation : OperationWaiter {
  static constexpr bool kGives = false;

 protected:
  ~JoinOperation() = default;
};

// What is left to do once the locks are released, so that nobody wakes up only to wait for them.
class Wakeups {
 public:
  Wakeups() = default;
  Wakeups(const Wakeups&) = delete;
  Wakeups& operator=(const Wakeups&) = delete;

  // At most two: one thread is on its way at each end of a queue.
  void add(ThreadWaiter& waiter) noexcept {
    (threads_[0] ? threads_[1] : threads_[0]) = &waiter.notified;
    waiter.notify();
  }
  void add(OperationWaiter& waiter) noexcept {
    waiter.decided.store(true, std::memory_order_release);
    operations_.push_back(waiter);
  }

  void run() noexcept {
    for (auto*& thread : threads_) {
      if (thread != nullptr) wake_one_on(std::exchange(thread, nullptr));
    }
    while (!operations_.empty()) static_cast<OperationWaiter&>(operations_.pop_front()).complete();
  }

 private:
  const std::atomic<std::uint32_t>* threads_[2] = {nullptr, nullptr};
  WaiterList operations_;
};

}  // namespace millrace::detail
