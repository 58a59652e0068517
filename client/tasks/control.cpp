#include "millrace/tasks/control.hpp"

#include <algorithm>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "client/tasks/dag.hpp"
#include "client/tasks/dead_letter.hpp"
#include "client/tasks/identity.hpp"
#include "client/tasks/passing_message.hpp"
#include "client/tasks/places.hpp"
#include "client/tasks/remote_control.hpp"
#include "millrace/json.hpp"

namespace millrace::tasks {
namespace {

namespace json = boost::json;

constexpr const char* kReplyExchange = "reply.celery.pidbox";

std::string text_of(const Message& message, std::string_view header) {
  const Field* field = message.header(header);
  const auto* text = field == nullptr ? nullptr : field->as<std::string>();
  return text == nullptr ? std::string() : *text;
}

// Answers as they come.
struct Answers {
  std::mutex mutex;
  json::object by_worker;

  void add(const Delivery& delivery) {
    boost::system::error_code error;
    const json::value body = parse_json(delivery.body(), error);
    if (error || !body.is_object()) return;
    const std::lock_guard lock(mutex);
    for (const auto& [worker, answer] : body.get_object()) by_worker[worker] = answer;
  }
};

// The broker puts calls there as well, where the queue's arguments say so: delivered too often, say.
std::string reason_in(const Message& message) {
  const std::string reason = text_of(message, kDeadReason);
  return reason.empty() ? text_of(message, "x-first-death-reason") : reason;
}

}  // namespace

json::object ask_workers(Client& client, const std::string& method, const json::object& arguments,
                         std::chrono::milliseconds time) {
  const std::string ticket = make_id();
  ExchangeSpec replies(kReplyExchange, "direct");
  replies.durable = false;
  client.declare_exchange(replies);
  client.declare_exchange(control_exchange());
  QueueSpec queue(ticket + ".reply.celery.pidbox");
  queue.durable = false;
  queue.exclusive = true;
  queue.auto_delete = true;
  client.declare_queue(queue);
  client.bind(BindingSpec(kReplyExchange, queue.name, queue.name));
  const auto answers = std::make_shared<Answers>();
  ConsumeOptions consuming;
  consuming.no_ack = true;
  Consumer consumer = client.consume(
      queue.name, [answers](Delivery delivery) { answers->add(delivery); }, consuming);
  json::object question = command_to_all(method, arguments);
  question["ticket"] = ticket;
  question["reply_to"] = {{"exchange", kReplyExchange}, {"routing_key", queue.name}};
  client.publish(control_address(), passing_message(question));
  std::this_thread::sleep_for(time);
  consumer.cancel();
  const std::lock_guard lock(answers->mutex);
  return answers->by_worker;
}

void cancel_task(Client& client, const std::string& id, bool running_too) {
  if (!cancel_dag(client, id, running_too)) revoke_task(client, id, running_too);
}

std::vector<DeadCall> dead_calls(Client& client, const std::string& queue, std::size_t most) {
  std::vector<Delivery> held;  // given back at the end
  std::vector<DeadCall> calls;
  while (calls.size() < most) {
    Delivery delivery = client.get(dead_queue_of(queue));
    if (!delivery) break;
    const Message& message = delivery.message();
    calls.push_back({text_of(message, "id"), text_of(message, "task"), reason_in(message),
                     text_of(message, kDeadText), text_of(message, kDeadTime), text_of(message, "argsrepr")});
    held.push_back(std::move(delivery));
  }
  return calls;
}

std::size_t retry_dead_calls(Client& client, const std::string& queue, const std::vector<std::string>& ids) {
  // What is there now: a call that dies again meanwhile is not retried for ever.
  std::size_t left = client.inspect_queue(dead_queue_of(queue)).messages;
  std::size_t retried = 0;
  std::vector<Delivery> others;
  for (; left > 0; --left) {
    Delivery delivery = client.get(dead_queue_of(queue));
    if (!delivery) break;
    const bool wanted =
        ids.empty() || std::find(ids.begin(), ids.end(), text_of(delivery.message(), "id")) != ids.end();
    if (!wanted) {
      others.push_back(std::move(delivery));
      continue;
    }
    client.publish(queue, revived(delivery.message()));
    delivery.ack();
    ++retried;
  }
  return retried;
}

}  // namespace millrace::tasks
