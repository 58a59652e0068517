#include "millrace/event_broker.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

namespace millrace::detail {
namespace {

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
  void receive(Delivery delivery) const {
    const Message& message = delivery.message();
    const CarriedType* type = find(message.type.empty() ? delivery.routing_key() : message.type);
    try {
      if (type) deliver({delivery.routing_key(), type->type, type->decode(message)});
    } catch (const std::exception& error) {
      report("event '" + delivery.routing_key() + "': " + error.what());
    } catch (...) {
      report("event '" + delivery.routing_key() + "': a listener threw something unknown");
    }
    delivery.ack();  // whatever happened: it would happen again
  }
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
    message.persistent = false;
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
