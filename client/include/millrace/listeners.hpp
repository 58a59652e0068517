// Listeners that can be added and removed at any time, from any thread, also from within a listener.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/post.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace millrace {

// Names a listener, to remove it. Never used twice by one list.
enum class ListenerId : std::uint64_t {};

// Calls each listener on the executor, in the order of emits. A listener that was removed is not called any
// more, but for a call that is under way on another thread.
template <class... Args>
class Listeners {
 public:
  using Listener = std::function<void(const Args&...)>;

  explicit Listeners(boost::asio::any_io_executor executor) : state_(std::make_shared<State>()) {
    state_->executor = std::move(executor);
  }

  ListenerId add(Listener listener) {
    const std::lock_guard lock(state_->mutex);
    const ListenerId id{++state_->last_id};
    state_->listeners.emplace(id, std::make_shared<Listener>(std::move(listener)));
    return id;
  }

  // False when there is none of that name (any more).
  bool remove(ListenerId id) {
    const std::lock_guard lock(state_->mutex);
    return state_->listeners.erase(id) != 0;
  }

  void emit(Args... args) {
    boost::asio::post(state_->executor, [state = state_, ... args = std::move(args)] {
      ListenerId last{0};
      while (const auto listener = state->next(last)) (*listener)(args...);
    });
  }

 private:
  struct State {
    // The first one after `last`, which becomes its name.
    std::shared_ptr<Listener> next(ListenerId& last) {
      const std::lock_guard lock(mutex);
      const auto at = listeners.upper_bound(last);
      if (at == listeners.end()) return nullptr;
      last = at->first;
      return at->second;
    }

    boost::asio::any_io_executor executor;
    std::mutex mutex;
    std::map<ListenerId, std::shared_ptr<Listener>> listeners;
    std::uint64_t last_id = 0;
  };

  std::shared_ptr<State> state_;
};

}  // namespace millrace
