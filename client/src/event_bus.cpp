#include "millrace/event_bus.hpp"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

namespace millrace {
namespace detail {

struct EventListener {
  const std::string pattern;
  const std::type_index type;
  event_carrier::receiver call;
  // Under the lock of the listeners:
  bool removed = false;
  std::shared_ptr<event_subscription> subscription;  // of one that hears by this alone
};

class EventListeners {
 public:
  explicit EventListeners(std::weak_ptr<event_carrier> carrier) noexcept : carrier_(std::move(carrier)) {}

  std::weak_ptr<EventListener> add(std::shared_ptr<EventListener> listener,
                                   std::shared_ptr<event_subscription> subscription = nullptr) {
    const std::lock_guard lock(mutex_);
    listener->subscription = std::move(subscription);
    listeners_.push_back(std::move(listener));
    return listeners_.back();
  }

  [[nodiscard]] std::shared_ptr<event_subscription> subscription_of(const EventListener& listener) {
    const std::lock_guard lock(mutex_);
    return listener.subscription;
  }

  void remove(const std::shared_ptr<EventListener>& listener) {
    std::unique_lock lock(mutex_);
    if (!std::exchange(listener->removed, true)) {
      std::erase(listeners_, listener);
      auto subscription = std::exchange(listener->subscription, nullptr);
      lock.unlock();
      if (subscription)
        subscription.reset();
      else if (const auto carrier = carrier_.lock())
        carrier->not_listening(listener->pattern);
      lock.lock();
    }
    const auto me = std::this_thread::get_id();
    // Two listeners that remove one another would wait for ever.
    if (std::ranges::any_of(running_, [me](const Running& call) { return call.thread == me; })) return;
    ended_.wait(lock, [&] {
      return std::ranges::none_of(running_,
                                  [&](const Running& call) { return call.listener == listener.get(); });
    });
  }

  [[nodiscard]] bool holds(const EventListener& listener) {
    const std::lock_guard lock(mutex_);
    return !listener.removed;
  }

  void deliver(const event& what) {
    std::exception_ptr first;
    for (const auto& listener : those_who_listen(what)) {
      try {
        deliver_to(*listener, what);
      } catch (...) {
        if (!first) first = std::current_exception();
      }
    }
    if (first) std::rethrow_exception(first);
  }

  // False: it was removed.
  bool deliver_to(EventListener& listener, const event& what) {
    if (!begin(listener)) return false;
    try {
      listener.call(what);
    } catch (...) {
      end(listener);
      throw;
    }
    end(listener);
    return true;
  }

 private:
  struct Running {
    const EventListener* listener;
    std::thread::id thread;
  };

  std::vector<std::shared_ptr<EventListener>> those_who_listen(const event& what) {
    const std::lock_guard lock(mutex_);
    std::vector<std::shared_ptr<EventListener>> found;
    for (const auto& listener : listeners_) {
      if (!listener->subscription && listener->type == what.type &&
          topic_matches(listener->pattern, what.topic))
        found.push_back(listener);
    }
    return found;
  }

  bool begin(const EventListener& listener) {
    const std::lock_guard lock(mutex_);
    if (listener.removed) return false;
    running_.push_back({&listener, std::this_thread::get_id()});
    return true;
  }

  void end(const EventListener& listener) {
    const std::lock_guard lock(mutex_);
    const auto me = std::this_thread::get_id();
    running_.erase(std::ranges::find_if(
        running_, [&](const Running& call) { return call.listener == &listener && call.thread == me; }));
    if (listener.removed) ended_.notify_all();
  }

  const std::weak_ptr<event_carrier> carrier_;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::vector<std::shared_ptr<EventListener>> listeners_;
  std::vector<Running> running_;
};

}  // namespace detail

namespace {

constexpr std::size_t kLongestTopic = 255;  // a short string of AMQP 0-9-1

class CarriedAtOnce final : public event_carrier {
 public:
  void carry(event what, receiver deliver) override { deliver(what); }
};

class CarriedByLoop final : public event_carrier {
 public:
  explicit CarriedByLoop(event_bus::post_function post) : post_(std::move(post)) {}
  void carry(event what, receiver deliver) override {
    post_([carried = std::move(what), to_listeners = std::move(deliver)] { to_listeners(carried); });
  }

 private:
  event_bus::post_function post_;
};

}  // namespace

listen_as::listen_as(std::string_view name) : name_(name) {
  if (name.empty() || name.find(':') != name.npos)
    throw std::invalid_argument("millrace::listen_as: the name '" + name_ + "' is empty or has a ':' in it");
}

event_listener::event_listener(std::weak_ptr<detail::EventListeners> listeners,
                               std::weak_ptr<detail::EventListener> listener)
    : listeners_(std::move(listeners)), listener_(std::move(listener)) {}

event_listener& event_listener::operator=(event_listener&& other) noexcept {
  if (this != &other) {
    remove();
    listeners_ = std::move(other.listeners_);
    listener_ = std::move(other.listener_);
  }
  return *this;
}

void event_listener::remove() noexcept {
  const auto listeners = listeners_.lock();
  const auto listener = listener_.lock();
  if (listeners && listener) listeners->remove(listener);
  listener_.reset();
}

void event_listener::forget() {
  const auto listeners = listeners_.lock();
  const auto listener = listener_.lock();
  std::exception_ptr failed;
  if (listeners && listener) {
    const auto subscription = listeners->subscription_of(*listener);
    try {
      if (subscription) subscription->forget();
    } catch (...) {
      failed = std::current_exception();
    }
  }
  remove();
  if (failed) std::rethrow_exception(failed);
}

bool event_listener::registered() const noexcept {
  const auto listeners = listeners_.lock();
  const auto listener = listener_.lock();
  return listeners && listener && listeners->holds(*listener);
}

event_bus::event_bus() : event_bus(std::make_unique<CarriedAtOnce>()) {}
event_bus::event_bus(post_function post) : event_bus(std::make_unique<CarriedByLoop>(std::move(post))) {}
event_bus::event_bus(std::unique_ptr<event_carrier> carrier)
    : carrier_(std::move(carrier)), listeners_(std::make_shared<detail::EventListeners>(carrier_)) {
  carrier_->connect(receiver());
}
event_bus::~event_bus() = default;

event_listener event_bus::listen(std::string_view pattern, std::type_index type, event_carrier::receiver call,
                                 std::string_view name) {
  if (pattern.size() > kLongestTopic) throw std::length_error("millrace::event_bus: pattern over 255 bytes");
  auto listener = std::make_shared<detail::EventListener>(
      detail::EventListener{std::string(pattern), type, std::move(call)});
  if (!name.empty()) {
    auto deliver = [listeners = std::weak_ptr(listeners_), to = std::weak_ptr(listener)](const event& what) {
      const auto still_there = listeners.lock();
      const auto one = to.lock();
      return still_there && one && still_there->deliver_to(*one, what);
    };
    if (auto subscription = carrier_->subscribe(name, pattern, type, std::move(deliver)))
      return {listeners_, listeners_->add(std::move(listener), std::move(subscription))};
  }
  carrier_->listening(pattern, type);
  return {listeners_, listeners_->add(std::move(listener))};
}

void event_bus::send(event what) {
  if (what.topic.size() > kLongestTopic) throw std::length_error("millrace::event_bus: topic over 255 bytes");
  carrier_->carry(std::move(what), receiver());
}

event_carrier::receiver event_bus::receiver() const {
  return [listeners = std::weak_ptr(listeners_)](const event& arrived) {
    if (const auto still_there = listeners.lock()) still_there->deliver(arrived);
  };
}

}  // namespace millrace
