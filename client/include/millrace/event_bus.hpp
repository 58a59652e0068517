// millrace::event_bus: typed events, and listeners that come and go.
//
//   struct order_placed { static constexpr std::string_view topic = "orders.placed"; int number; };
//
//   millrace::event_bus bus;                                     // listeners are called inside emit()
//   millrace::event_bus bus([&loop](auto task) { boost::asio::post(loop, std::move(task)); });  // by the
//   loop auto listener = bus.on<order_placed>([](const order_placed& order) { ... });
//   bus.emit(order_placed{7});
//   listener.remove();                                           // or let it go out of scope
//
// Over a broker (event_broker.hpp) a listener with a name misses nothing while it is away:
//
//   auto billing = bus.on<order_placed>("orders.#", handler, millrace::listen_as("billing"));
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <typeindex>
#include <utility>

namespace millrace {

// The topic under which events of a type are emitted when none is named. Specialise it for types that are not
// yours.
template <class Event>
struct event_topic {
  static constexpr std::string_view value = Event::topic;
};

// One event on its way. The value lives as long as somebody still needs it.
struct event {
  std::string topic;
  std::type_index type;
  std::shared_ptr<const void> value;
};

// The name by which a listener is known while it is away. Over a broker, events are kept for it from the
// first time on that it listens: event_broker.hpp says how. A bus inside one process has nobody to keep them
// for, and there the name means nothing.
class listen_as {
 public:
  // Throws invalid_argument when it is empty or has a ':' in it.
  explicit listen_as(std::string_view name);

 private:
  friend class event_bus;

  std::string name_;
};

// What a carrier keeps for a listener with a name. Its destruction stops the listening: what is emitted from
// then on is kept for the next listener of that name.
class event_subscription {
 public:
  virtual ~event_subscription() = default;
  // Stops the listening, and gives up what is kept and the keeping of it.
  virtual void forget() = 0;
};

// Brings what is emitted to the listeners of a bus: in the same thread, through a loop, or over a broker
// (event_broker.hpp). Its functions are called by any thread.
class event_carrier {
 public:
  using receiver = std::function<void(const event&)>;
  // For one listener. False: it is not there any more, and has not heard the event.
  using one_receiver = std::function<bool(const event&)>;

  virtual ~event_carrier() = default;
  // `deliver` calls the listeners; it may be called later, by another thread, and after the bus is gone (it
  // does nothing then). What it throws is the first exception of a listener.
  virtual void carry(event what, receiver deliver) = 0;

  // For carriers that also bring what others have emitted. Once, before all else: where to deliver that.
  virtual void connect(receiver) {}
  // A listener is about to be registered; what this throws leaves event_bus::on, without a listener.
  virtual void listening(std::string_view /*pattern*/, std::type_index) {}
  // It is registered no more.
  virtual void not_listening(std::string_view /*pattern*/) noexcept {}

  // The same for a listener with a name, by a carrier that keeps events for those who are away: it hears by
  // `deliver` alone, perhaps before this returns, and what that throws is its exception. Null: this carrier
  // keeps nothing, and it is a listener like all others.
  virtual std::unique_ptr<event_subscription> subscribe(std::string_view /*name*/,
                                                        std::string_view /*pattern*/, std::type_index,
                                                        one_receiver /*deliver*/) {
    return nullptr;
  }
};

namespace detail {
class EventListeners;
struct EventListener;
}  // namespace detail

// A listener as long as it is registered. May outlive its bus.
class event_listener {
 public:
  event_listener() = default;
  event_listener(event_listener&&) noexcept = default;
  event_listener& operator=(event_listener&& other) noexcept;
  ~event_listener() { remove(); }

  // Once this returns the listener is not running and will not be called again, whatever is on its way. Only
  // inside a listener of the same bus it does not wait for other threads that are running it.
  // Of one with a name the events are kept from now on.
  void remove() noexcept;
  // remove(), for good: no events are kept any more for its name, type and pattern, and those that are kept
  // are dropped. Others who listen by them hear nothing more. Throws a ClientError when the broker could not
  // be told; it is removed then, and its events are kept. Does nothing for one that is not registered.
  void forget();
  // Lets it stay registered for as long as the bus lives.
  void keep() noexcept { listener_.reset(); }
  [[nodiscard]] bool registered() const noexcept;

 private:
  friend class event_bus;
  event_listener(std::weak_ptr<detail::EventListeners> listeners,
                 std::weak_ptr<detail::EventListener> listener);

  std::weak_ptr<detail::EventListeners> listeners_;
  std::weak_ptr<detail::EventListener> listener_;
};

// Thread-safe. Listeners are called in the order in which they were registered, with no lock held: they may
// emit, register and remove. A listener that throws keeps no other one from being called; the first exception
// then leaves emit(), or the task that the loop was given.
//
// Topics are words between dots, at most 255 bytes, and patterns are those of a topic exchange (AMQP 0-9-1
// §3.1.3.3):
// `*` is one word, `#` any number of them.
class event_bus {
 public:
  using post_function = std::function<void(std::function<void()>)>;

  // Listeners are called inside emit(), by its thread.
  event_bus();
  // Listeners are called by the tasks that `post` is given, one for each event; in the order of the emits if
  // whatever runs them keeps theirs.
  explicit event_bus(post_function post);
  explicit event_bus(std::unique_ptr<event_carrier> carrier);
  event_bus(const event_bus&) = delete;
  event_bus& operator=(const event_bus&) = delete;
  // Events that are still on their way are dropped. No listener may be running in another thread.
  ~event_bus();

  // Listens to events of this type that are emitted under its own topic.
  template <class Event, class Function>
  [[nodiscard]] event_listener on(Function function) {
    return on<Event>(event_topic<Event>::value, std::move(function));
  }
  template <class Event, class Function>
  [[nodiscard]] event_listener on(Function function, const listen_as& name) {
    return on<Event>(event_topic<Event>::value, std::move(function), name);
  }
  // Listens to events of this type whose topic fits the pattern.
  template <class Event, class Function>
  [[nodiscard]] event_listener on(std::string_view pattern, Function function) {
    return listen(pattern, typeid(Event), caller<Event>(std::move(function)), {});
  }
  template <class Event, class Function>
  [[nodiscard]] event_listener on(std::string_view pattern, Function function, const listen_as& name) {
    return listen(pattern, typeid(Event), caller<Event>(std::move(function)), name.name_);
  }

  template <class Event>
  void emit(Event what) {
    emit(event_topic<Event>::value, std::move(what));
  }
  // Throws std::length_error when the topic is longer than 255 bytes.
  template <class Event>
  void emit(std::string_view topic, Event what) {
    send({std::string(topic), typeid(Event), std::make_shared<const Event>(std::move(what))});
  }

 private:
  template <class Event, class Function>
  static event_carrier::receiver caller(Function function) {
    return [call = std::move(function)](const event& what) mutable {
      call(*static_cast<const Event*>(what.value.get()));
    };
  }
  // An empty name: none.
  [[nodiscard]] event_listener listen(std::string_view pattern, std::type_index type,
                                      event_carrier::receiver call, std::string_view name);
  void send(event what);
  [[nodiscard]] event_carrier::receiver receiver() const;

  std::shared_ptr<event_carrier> carrier_;
  std::shared_ptr<detail::EventListeners> listeners_;
};

// Whether a topic exchange would route `topic` by the binding key `pattern`.
[[nodiscard]] bool topic_matches(std::string_view pattern, std::string_view topic) noexcept;

}  // namespace millrace
