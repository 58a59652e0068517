#include "client/tasks/remote_control.hpp"

#include <fnmatch.h>

#include <utility>

#include "client/tasks/passing_message.hpp"
#include "millrace/coroutines.hpp"
#include "millrace/json.hpp"

namespace millrace::tasks {
namespace {

namespace json = boost::json;

constexpr const char* kExchange = "celery.pidbox";
// As kombu declares these queues, so that a Python worker of the same name finds what it expects.
constexpr std::int64_t kQueueExpiresMs = 10'000;
constexpr std::int64_t kCommandExpiresMs = 300'000;

const json::object* object_in(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value == nullptr ? nullptr : value->if_object();
}

std::string optional_text(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  return value != nullptr && value->is_string() ? json::value_to<std::string>(*value) : std::string();
}

}  // namespace

Address control_address() {
  return Address(kExchange, "");
}

ExchangeSpec control_exchange() {
  ExchangeSpec exchange(kExchange, "fanout");
  exchange.durable = false;
  return exchange;
}

json::object command_to_all(const std::string& method, const json::object& arguments) {
  return {{"method", method},
          {"arguments", arguments},
          {"destination", nullptr},
          {"pattern", nullptr},
          {"matcher", nullptr}};
}

void revoke_task(Client& client, const std::string& id, bool terminate) {
  client.declare_exchange(control_exchange());
  client.publish(control_address(),
                 passing_message(command_to_all(
                     "revoke", {{"task_id", id}, {"terminate", terminate}, {"signal", "SIGTERM"}})));
}

void RemoteControl::start() {
  client_.declare_exchange(control_exchange());
  QueueSpec queue(host_ + "." + kExchange);
  queue.durable = false;
  queue.auto_delete = true;
  queue.exclusive = true;
  queue.arguments = {{"x-expires", kQueueExpiresMs}, {"x-message-ttl", kCommandExpiresMs}};
  client_.declare_queue(queue);
  client_.bind(BindingSpec(kExchange, queue.name, ""));
  ConsumeOptions options;
  options.no_ack = true;
  consumer_ = client_.consume(
      queue.name, bind_executor(executor_, [this](Delivery delivery) { on_command(delivery); }), options);
}

bool RemoteControl::is_meant(const json::object& asked) const {
  if (const json::value* destination = asked.if_contains("destination");
      destination && destination->is_array()) {
    for (const json::value& name : destination->get_array()) {
      if (name.is_string() && name.get_string() == host_) return true;
    }
    return false;
  }
  const std::string pattern = optional_text(asked, "pattern");
  return pattern.empty() || fnmatch(pattern.c_str(), host_.c_str(), 0) == 0;
}

void RemoteControl::on_command(const Delivery& delivery) {
  boost::system::error_code error;
  const json::value body = parse_json(delivery.body(), error);
  if (error || !body.is_object()) return;  // no command, and nobody to tell
  const json::object& asked = body.get_object();
  if (!is_meant(asked)) return;
  const std::string method = optional_text(asked, "method");
  const auto command = commands_.find(method);
  json::value answer;
  if (command == commands_.end()) {
    answer = json::object{{"error", "this worker has no command '" + method + "'"}};
  } else {
    try {
      const json::object* arguments = object_in(asked, "arguments");
      answer = command->second(arguments == nullptr ? json::object() : *arguments);
    } catch (const std::exception& thrown) {
      answer = json::object{{"error", thrown.what()}};
    }
  }
  reply(asked, delivery, answer);
}

void RemoteControl::reply(const json::object& asked, const Delivery& delivery, const json::value& answer) {
  const json::object* to = object_in(asked, "reply_to");
  if (to == nullptr) return;
  Message message = passing_message(json::object{{host_, answer}});
  message.headers["ticket"] = optional_text(asked, "ticket");
  message.correlation_id = delivery.message().correlation_id;
  client_.async_publish(Address(optional_text(*to, "exchange"), optional_text(*to, "routing_key")),
                        std::move(message), [](std::exception_ptr, const Receipt&) {});  // who asked has gone
}

}  // namespace millrace::tasks
