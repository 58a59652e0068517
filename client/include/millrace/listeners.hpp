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

// Copies are the same list. Each listener is called on the executor, in the order of emits, and never by two
// threads at once. Once remove() has returned, the listener is not called any more and no call of it is under
// way, unless it was itself that removed it. (Two listeners that remove each other at the same moment wait
// for one another for ever.)
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
    const auto entry = std::make_shared<Entry>();
    entry->listener = std::move(listener);
    state_->entries.emplace(id, entry);
    return id;
  }

  // False when there is none of that name (any more).
  bool remove(ListenerId id) {
    std::shared_ptr<Entry> removed;
    {
      const std::lock_guard lock(state_->mutex);
      const auto at = state_->entries.find(id);
      if (at == state_->entries.end()) return false;
      removed = std::move(at->second);
      state_->entries.erase(at);
    }
    const std::lock_guard no_call(removed->calling);
    removed->removed = true;
    return true;
  }

  void emit(Args... args) const {
    boost::asio::post(state_->executor, [state = state_, ... args = std::move(args)] {
      ListenerId last{0};
      while (const auto entry = state->next(last)) {
        const std::lock_guard lock(entry->calling);
        if (!entry->removed) entry->listener(args...);
      }
    });
  }

 private:
  struct Entry {
    Listener listener;
    std::recursive_mutex calling;  // a listener may remove itself
    bool removed = false;
  };

  struct State {
    // The first one after `last`, which becomes its name.
    std::shared_ptr<Entry> next(ListenerId& last) {
      const std::lock_guard lock(mutex);
      const auto at = entries.upper_bound(last);
      if (at == entries.end()) return nullptr;
      last = at->first;
      return at->second;
    }

    boost::asio::any_io_executor executor;
    std::mutex mutex;
    std::map<ListenerId, std::shared_ptr<Entry>> entries;
    std::uint64_t last_id = 0;
  };

  std::shared_ptr<State> state_;
};

}  // namespace millrace
