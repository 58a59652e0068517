#include "millrace/event_broker.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "client/src/held_queue.hpp"

namespace millrace::detail {
namespace {

// Of a listener with a name: enough for its round trips. What waits here is not to be had by those who share
// it, and RabbitMQ gives up a consumer with anything unsettled for half an hour.
constexpr std::uint16_t kPrefetch = 32;

// What callbacks of the client need, which may still come when the bus is gone.
struct Shared {
  std::vector<CarriedType> types;
  broker_bus_options options;
  event_carrier::receiver deliver;

  const CarriedType* find(std::type_index type) const {
    const auto found = std::ranges::find(types, type, &CarriedType::type);
    return found == types.end() ? nullptr : &*found;
  }
  const CarriedType* find(std::string_view name) const {
    const auto found = std::ranges::find(types, name, &CarriedType::name);
    return found == types.end() ? nullptr : &*found;
  }
  void report(const std::string& why) const {
    if (options.on_failure) options.on_failure(why);
  }

  // An event of a type that this program does not know is none of its business. One without a type comes from
  // a program that knows nothing of types: its topic may say enough.
  const CarriedType* type_of(const Delivery& delivery) const {
    const std::string& name = delivery.message().type;
    return find(name.empty() ? delivery.routing_key() : name);
  }
  // Gives the event to listeners. False: there is none any more.
  bool hand_over(const Delivery& delivery, const CarriedType& type,
                 const event_carrier::one_receiver& to) const {
    try {
      return to({delivery.routing_key(), type.type, type.decode(delivery.message())});
    } catch (const std::exception& error) {
      report("event '" + delivery.routing_key() + "': " + error.what());
    } catch (...) {
      report("event '" + delivery.routing_key() + "': a listener threw something unknown");
    }
    return true;  // it would happen again
  }

  void receive(Delivery delivery) const {
    const auto to_all = [this](const event& what) { return deliver(what), true; };
    if (const CarriedType* type = type_of(delivery)) hand_over(delivery, *type, to_all);
    delivery.ack();
  }
  // What is not acknowledged comes again, to the next one who listens.
  void receive_for_one(Delivery delivery, std::type_index wanted,
                       const event_carrier::one_receiver& to) const {
    const CarriedType* type = type_of(delivery);
    if (!type || type->type != wanted || hand_over(delivery, *type, to)) delivery.ack();
  }
};

// A listener's own durable queue, and its consumer. The queue stays when this ends.
class BrokerSubscription final : public event_subscription {
 public:
  BrokerSubscription(Client& client, std::string queue)
      : client_(client),
        queue_(std::move(queue)),
        held_(std::make_shared<client::HeldQueue>(client, queue_)) {}
  ~BrokerSubscription() override { stop(); }

  void begin(const std::shared_ptr<const Shared>& shared, std::string_view pattern, std::type_index type,
             event_carrier::one_receiver deliver) {
    QueueSpec spec(queue_);
    const auto expires = shared->options.subscription_expires;
    if (expires.count() != 0) spec.arguments["x-expires"] = std::int64_t{expires.count()};
    client_.declare_queue(std::move(spec));
    client_.bind(BindingSpec(shared->options.exchange, queue_, std::string(pattern)));
    ConsumeOptions options;
    options.prefetch = kPrefetch;
    options.on_end = [shared, held = held_, queue = queue_](const Failure& why) {
      held->release();
      shared->report("nothing more is heard by '" + queue + "': " + why.text());
    };
    const auto receive = [shared, type, to = std::move(deliver)](Delivery delivery) {
      shared->receive_for_one(std::move(delivery), type, to);
    };
    consumer_ = client_.consume(queue_, receive, std::move(options));
  }

  void forget() override {
    stop();
    client_.delete_queue(queue_);
  }

 private:
  void stop() noexcept {
    consumer_.cancel();
    held_->release();
  }

  Client& client_;
  const std::string queue_;
  const std::shared_ptr<client::HeldQueue> held_;
  Consumer consumer_;
};

class BrokerCarrier final : public event_carrier {
 public:
  BrokerCarrier(Client& client, std::shared_ptr<Shared> shared)
      : client_(client), shared_(std::move(shared)) {}

  ~BrokerCarrier() override {
    consumer_.cancel();
    if (queue_.empty()) return;
    client_.async_delete_queue(queue_, [](Failure) {});  // else it would be declared again after a loss
  }

  void connect(receiver deliver) override { shared_->deliver = std::move(deliver); }

  void carry(event what, receiver) override {
    const CarriedType& type = known(what.type);
    Message message = type.encode(what.value.get());
    message.type = type.name;
    message.persistent = true;  // where a durable queue takes it; elsewhere that costs nothing
    message.mandatory = false;  // nobody has to listen
    declare_exchange();
    client_.async_publish(Address(shared_->options.exchange, what.topic), std::move(message),
                          [shared = shared_, topic = what.topic](Failure failure, const Receipt&) {
                            if (failure) shared->report("event '" + topic + "': " + failure.text());
                          });
  }

  void listening(std::string_view pattern, std::type_index type) override {
    known(type);
    declare_exchange();
    const std::lock_guard lock(mutex_);
    listen();
    const std::string key(pattern);
    if (!patterns_.contains(key)) client_.bind(BindingSpec(shared_->options.exchange, queue_, key));
    ++patterns_[key];
  }

  void not_listening(std::string_view pattern) noexcept override {
    const std::lock_guard lock(mutex_);
    const auto found = patterns_.find(pattern);
    if (--found->second != 0) return;
    client_.async_unbind(BindingSpec(shared_->options.exchange, queue_, found->first), [](Failure) {});
    patterns_.erase(found);
  }

  std::unique_ptr<event_subscription> subscribe(std::string_view name, std::string_view pattern,
                                                std::type_index type, one_receiver deliver) override {
    const std::string& type_name = known(type).name;
    // Else two subscriptions could have one queue.
    if (type_name.find(':') != type_name.npos || pattern.find(':') != pattern.npos)
      throw ClientError(ErrorKind::invalid_argument,
                        "a listener with a name cannot have a ':' in its pattern '" + std::string(pattern) +
                            "' or its type's name '" + type_name + "'");
    declare_exchange();
    std::string queue = shared_->options.exchange + ':';
    queue.append(name).append(1, ':').append(type_name).append(1, ':').append(pattern);
    auto subscription = std::make_unique<BrokerSubscription>(client_, std::move(queue));
    subscription->begin(shared_, pattern, type, std::move(deliver));
    return subscription;
  }

 private:
  const CarriedType& known(std::type_index type) const {
    if (const CarriedType* found = shared_->find(type)) return *found;
    throw ClientError(ErrorKind::invalid_argument,
                      "events of this type (" + std::string(type.name()) +
                          ") do not travel on this bus: add the type to those of over_broker");
  }

  // Once, by whoever is first.
  void declare_exchange() {
    const std::lock_guard lock(exchange_mutex_);
    if (std::exchange(exchange_declared_, true)) return;
    try {
      client_.declare_exchange(ExchangeSpec(shared_->options.exchange, "topic"));
    } catch (...) {
      exchange_declared_ = false;
      throw;
    }
  }

  void listen() {
    if (queue_.empty()) {
      QueueSpec own;
      own.durable = false;
      own.exclusive = true;
      queue_ = client_.declare_queue(own).name;
    }
    if (consumer_) return;
    consumer_ = client_.consume(
        queue_, [shared = shared_](Delivery delivery) { shared->receive(std::move(delivery)); });
  }

  Client& client_;
  const std::shared_ptr<Shared> shared_;
  std::mutex exchange_mutex_;
  bool exchange_declared_ = false;
  std::mutex mutex_;
  std::string queue_;  // empty until somebody listens
  Consumer consumer_;
  std::map<std::string, unsigned, std::less<>> patterns_;  // bound, with how many listen
};

}  // namespace

std::unique_ptr<event_carrier> carry_over_broker(Client& client, std::vector<CarriedType> types,
                                                 broker_bus_options options) {
  for (const CarriedType& type : types)
    if (std::ranges::count(types, type.name, &CarriedType::name) != 1)
      throw ClientError(ErrorKind::invalid_argument,
                        "two types of events have the topic '" + type.name + "', which is their name");
  auto shared = std::make_shared<Shared>();
  shared->types = std::move(types);
  shared->options = std::move(options);
  return std::make_unique<BrokerCarrier>(client, std::move(shared));
}

}  // namespace millrace::detail
