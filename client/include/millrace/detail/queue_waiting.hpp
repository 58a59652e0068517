// How millrace::queue lets its users wait. Included by queue.hpp.
//
// Every change of who waits happens under both locks, taken getting end first; so what needs only one lock
// reads the flags of its end and goes on unless somebody is to be told. A thread is told to look again, one
// at a time at each end, and tells the next when it has come: a producer that runs ahead pays for one wake-up
// and not for one an item. An operation is served where it waits, in its turn.
#pragma once

#include <new>

#include "millrace/queue.hpp"

namespace millrace {

template <class T, class Order>
template <class Ready, class Over>
bool queue<T, Order>::wait_in_line(Line& line, detail::SteadyTime deadline, Ready ready, Over over) {
  detail::ThreadWaiter me;
  bool told = false;
  bool late = false;
  lock_both();
  for (;;) {
    if (told) line.one_on_its_way = false;
    const bool my_turn = ready() && (told || line.go_first == 0);
    if (my_turn || late || over()) {
      if (me.times_overtaken >= detail::ThreadWaiter::kTimesOvertaken) --line.go_first;
      if (!my_turn) settle_and_unlock();
      return my_turn;
    }
    me.notified.store(0, std::memory_order_relaxed);
    if (told) {
      line.waiters.push_front(me);
      if (++me.times_overtaken == detail::ThreadWaiter::kTimesOvertaken) ++line.go_first;
    } else {
      line.waiters.push_back(me);
    }
    settle_and_unlock();
    told = me.sleep(deadline);
    lock_both();
    if (!told && !me.linked) told = true;  // in the last moment
    if (!told) {
      line.waiters.remove(me);
      late = true;
    }
  }
}

template <class T, class Order>
auto queue<T, Order>::wait_in_line_for_item(detail::SteadyTime deadline) -> ItemTurn {
  const bool came = look_again(lookout_for_item_, [this] {
    return store_.put.pushed.load(std::memory_order_relaxed) !=
           store_.get.popped.load(std::memory_order_relaxed);
  });
  if (came && lock_item()) return ItemTurn(*this, Held::kOneEnd);
  const bool item = wait_in_line(
      getters_, deadline, [this] { return items() > 0; }, [this] { return is_closed() && items() == 0; });
  return item ? ItemTurn(*this, Held::kBoth) : ItemTurn();
}

template <class T, class Order>
auto queue<T, Order>::wait_in_line_for_room(detail::SteadyTime deadline) -> RoomTurn {
  const bool came = !closed() && look_again(lookout_for_room_, [this] {
    return store_.put.pushed.load(std::memory_order_relaxed) -
               store_.get.popped.load(std::memory_order_relaxed) <
           limit_;
  });
  if (came && lock_room()) return RoomTurn(*this, Held::kOneEnd);
  const bool has_room = wait_in_line(
      putters_, deadline, [this] { return room() > 0 && !is_closed(); }, [this] { return is_closed(); });
  return has_room ? RoomTurn(*this, Held::kBoth) : RoomTurn();
}

template <class T, class Order>
template <class Condition>
bool queue<T, Order>::look_again(detail::Lookout& lookout, Condition condition) noexcept {
  unsigned looks = lookout.begin();
  bool came = false;
  while (looks-- > 0 && !came) {
    // Not too often: each look takes the cache line from who writes it.
    for (unsigned pauses = 0; pauses < 16; ++pauses) detail::pause_briefly();
    came = condition();
    if (looks == 0 || came) lookout.end(came);
  }
  return came;
}

template <class T, class Order>
void queue<T, Order>::serve(detail::Wakeups& wakeups) noexcept {
  for (bool changed = true; changed;) {
    changed = false;
    while (!getters_.waiters.empty() && items() > (getters_.one_on_its_way ? 1U : 0U)) {
      if (getters_.waiters.front().is_thread()) {
        if (!tell_first(getters_, wakeups)) break;
        continue;
      }
      auto& operation = static_cast<Operation&>(take_operation(getters_, wakeups));
      try {
        operation.item.emplace(std::move(store_.front()));
        pop();
        changed = true;
      } catch (...) {
        operation.end = detail::WaitEnd::kRefused;
      }
    }
    while (!is_closed() && !putters_.waiters.empty() && room() > (putters_.one_on_its_way ? 1U : 0U)) {
      if (putters_.waiters.front().is_thread()) {
        if (!tell_first(putters_, wakeups)) break;
        continue;
      }
      auto& operation = static_cast<Operation&>(take_operation(putters_, wakeups));
      try {
        push(std::move(*operation.item));
        changed = true;
      } catch (const std::bad_alloc&) {
        operation.end = detail::WaitEnd::kNoMemory;
      } catch (...) {
        operation.end = detail::WaitEnd::kRefused;
      }
    }
  }
  if (is_closed()) {
    end_all(putters_, detail::WaitEnd::kClosed, wakeups);
    if (items() == 0) end_all(getters_, detail::WaitEnd::kClosed, wakeups);
  }
  if (!joiners_.waiters.empty() && all_done()) end_all(joiners_, detail::WaitEnd::kDone, wakeups);
}

template <class T, class Order>
bool queue<T, Order>::tell_first(Line& line, detail::Wakeups& wakeups) noexcept {
  if (line.one_on_its_way) return false;
  line.one_on_its_way = true;
  wakeups.add(static_cast<detail::ThreadWaiter&>(line.waiters.pop_front()));
  return true;
}

template <class T, class Order>
detail::OperationWaiter& queue<T, Order>::take_operation(Line& line, detail::Wakeups& wakeups) noexcept {
  auto& operation = static_cast<detail::OperationWaiter&>(line.waiters.pop_front());
  --line.go_first;
  wakeups.add(operation);
  return operation;
}

template <class T, class Order>
void queue<T, Order>::end_all(Line& line, detail::WaitEnd end, detail::Wakeups& wakeups) noexcept {
  while (!line.waiters.empty()) {
    if (line.waiters.front().is_thread()) {
      auto& thread = static_cast<detail::ThreadWaiter&>(line.waiters.pop_front());
      thread.notify();
      detail::wake_one_on(&thread.notified);  // still there: it needs our locks to go
    } else {
      take_operation(line, wakeups).end = end;
    }
  }
}

template <class T, class Order>
void queue<T, Order>::close() noexcept {
  lock_both();
  closed_.store(true, std::memory_order_release);
  settle_and_unlock();
}

template <class T, class Order>
std::size_t queue<T, Order>::close_and_discard() noexcept {
  lock_both();
  closed_.store(true, std::memory_order_release);
  const std::uint64_t discarded = items();
  store_.discard(static_cast<std::size_t>(discarded));
  store_.get.popped.store(store_.put.pushed.load(std::memory_order_relaxed), std::memory_order_release);
  done_.fetch_add(discarded);
  settle_and_unlock();
  return static_cast<std::size_t>(discarded);
}

template <class T, class Order>
bool queue<T, Order>::join_until(detail::SteadyTime deadline) {
  // Said before it is looked at: whoever does the last item then sees one or the other.
  const auto ready = [this] {
    joining_.store(true);
    return all_done();
  };
  if (all_done()) return true;
  if (!wait_in_line(joiners_, deadline, ready, [] { return false; })) return false;
  settle_and_unlock();
  return true;
}

template <class T, class Order>
void queue<T, Order>::let_joiners_go() noexcept {
  lock_both();
  if (joiners_.waiters.empty()) joining_.store(false);
  settle_and_unlock();
}

template <class T, class Order>
void queue<T, Order>::start(Line& line, detail::OperationWaiter& operation) noexcept {
  lock_both();
  line.waiters.push_back(operation);
  ++line.go_first;
  if (&line == &joiners_) joining_.store(true);
  settle_and_unlock();
}

template <class T, class Order>
void queue<T, Order>::cancel(Line& line, detail::OperationWaiter& operation) noexcept {
  detail::Wakeups wakeups;
  lock_both();
  if (operation.linked) {
    line.waiters.remove(operation);
    --line.go_first;
    operation.end = detail::WaitEnd::kCancelled;
    wakeups.add(operation);
  }
  settle_and_unlock(wakeups);
}

}  // namespace millrace
