// Exchanges, queues and bindings. Names, permissions and arguments are the core's to judge.
#include <algorithm>
#include <limits>

#include "protocol/amqp091/arguments.hpp"
#include "protocol/amqp091/session.hpp"

namespace millrace::amqp091 {

namespace {

// Line ends are cut out of names, as RabbitMQ does, rather than refused.
std::string clean(std::string_view name) {
  std::string cleaned(name);
  std::erase_if(cleaned, [](char c) { return c == '\r' || c == '\n'; });
  return cleaned;
}

std::uint32_t count32(std::uint64_t count) noexcept {
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(count, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace

void Session::count_call(Channel& channel, Call call, int change) noexcept {
  const auto by = static_cast<std::uint32_t>(change);
  channel.pending += by;
  if (call != Call::other) channel.defining += by;
  if (call == Call::exchange_declare) channel.declaring_exchanges += by;
}

// Definitions are carried out and answered in order, so one need not wait for the answer of those before it.
// When one is refused the channel is closed; those that were read after it may have been carried out all the
// same, and their answers are swallowed.
bool Session::may_follow(const Channel& channel, ByteView payload) const {
  if (!channel.open() || channel.incoming.stage != Incoming::Stage::none) return false;
  if (channel.defining != channel.pending || channel.pending >= kPipelinedMax) return false;
  Reader in(payload.subspan(sizeof method_id_));
  const auto parsed = [&in]<class Method>(Method method, auto&& judge) {
    return Method::parse(in, method) && judge(method);
  };
  // A passive declaration asks what there is once all is done. A name left out is that of the last queue
  // declared, which an answer may have to tell first.
  const auto not_passive = [](const auto& method) { return !method.passive; };
  const auto names_queue = [&](const auto& method) {
    return !method.queue.empty() && channel.declaring_exchanges == 0;
  };
  switch (method_id_) {
    case exchange::Declare::id:
      return parsed(exchange::Declare{}, not_passive);
    case queue::Declare::id:
      return parsed(queue::Declare{}, not_passive);
    case queue::Bind::id:
      return parsed(queue::Bind{}, names_queue);
    case queue::Unbind::id:
      return parsed(queue::Unbind{}, names_queue);
    case exchange::Bind::id:
    case exchange::Unbind::id:
      return channel.declaring_exchanges == 0;
    case exchange::Delete::id:
      return true;
    default:
      return false;
  }
}

bool Session::read_arguments(TableView table, broker::Arguments& arguments) {
  if (!valid(table)) {
    unparsed(Parsed::malformed, method_id_);
    return false;
  }
  arguments = to_arguments(table);
  return true;
}

bool Session::queue_name(Channel& channel, std::string_view given, std::string& name) {
  name = given.empty() ? channel.last_queue : clean(given);
  if (!name.empty() || !given.empty()) return true;
  refuse(channel, ReplyCode::not_found, "no previously declared queue");
  return false;
}

void Session::on(Channel& channel, const exchange::Declare& method) {
  const std::string name = clean(method.exchange);
  broker::ExchangeDeclare declare{name, method.type, method.durable, method.auto_delete, method.internal, {}};
  if (!method.passive && !read_arguments(method.arguments, declare.arguments)) return;
  auto done = answer<void>(
      channel,
      [this, &channel, nowait = method.nowait] {
        if (!nowait) send(channel.number, exchange::DeclareOk{});
      },
      method.passive ? Call::other : Call::exchange_declare);
  if (method.passive) return connection_->check_exchange(name, std::move(done));
  connection_->declare_exchange(declare, std::move(done));
}

void Session::on(Channel& channel, const exchange::Delete& method) {
  connection_->delete_exchange(clean(method.exchange), method.if_unused,
                               answer<void>(
                                   channel,
                                   [this, &channel, nowait = method.nowait] {
                                     if (!nowait) send(channel.number, exchange::DeleteOk{});
                                   },
                                   Call::definition));
}

void Session::on(Channel& channel, const exchange::Bind& method) {
  broker::Arguments arguments;
  if (!read_arguments(method.arguments, arguments)) return;
  connection_->bind(clean(method.source), clean(method.destination), true, method.routing_key,
                    std::move(arguments),
                    answer<void>(
                        channel,
                        [this, &channel, nowait = method.nowait] {
                          if (!nowait) send(channel.number, exchange::BindOk{});
                        },
                        Call::definition));
}

void Session::on(Channel& channel, const exchange::Unbind& method) {
  broker::Arguments arguments;
  if (!read_arguments(method.arguments, arguments)) return;
  connection_->unbind(clean(method.source), clean(method.destination), true, method.routing_key,
                      std::move(arguments),
                      answer<void>(
                          channel,
                          [this, &channel, nowait = method.nowait] {
                            if (!nowait) send(channel.number, exchange::UnbindOk{});
                          },
                          Call::definition));
}

void Session::on(Channel& channel, const queue::Declare& method) {
  const std::string name = clean(method.queue);
  broker::QueueDeclare declare{name, method.durable, method.exclusive, method.auto_delete, {}};
  if (!method.passive && !read_arguments(method.arguments, declare.arguments)) return;
  auto done = answer<broker::QueueStatus>(
      channel,
      [this, &channel, nowait = method.nowait](broker::QueueStatus status) {
        if (!nowait) {
          send(channel.number, queue::DeclareOk{status.name, count32(status.messages), status.consumers});
        }
        channel.last_queue = std::move(status.name);
      },
      method.passive ? Call::other : Call::definition);
  if (method.passive) return connection_->check_queue(name, std::move(done));
  connection_->declare_queue(declare, std::move(done));
}

void Session::on(Channel& channel, const queue::Bind& method) {
  broker::Arguments arguments;
  std::string name;
  if (!queue_name(channel, method.queue, name)) return;
  if (!read_arguments(method.arguments, arguments)) return;
  // With neither a queue nor a key, the queue's name is the key (AMQP 0-9-1, queue.bind.routing-key).
  const std::string key(method.queue.empty() && method.routing_key.empty() ? name : method.routing_key);
  connection_->bind(clean(method.exchange), name, false, key, std::move(arguments),
                    answer<void>(
                        channel,
                        [this, &channel, nowait = method.nowait] {
                          if (!nowait) send(channel.number, queue::BindOk{});
                        },
                        Call::definition));
}

void Session::on(Channel& channel, const queue::Unbind& method) {
  broker::Arguments arguments;
  std::string name;
  if (!queue_name(channel, method.queue, name)) return;
  if (!read_arguments(method.arguments, arguments)) return;
  const std::string key(method.queue.empty() && method.routing_key.empty() ? name : method.routing_key);
  connection_->unbind(
      clean(method.exchange), name, false, key, std::move(arguments),
      answer<void>(
          channel, [this, &channel] { send(channel.number, queue::UnbindOk{}); }, Call::definition));
}

void Session::on(Channel& channel, const queue::Purge& method) {
  std::string name;
  if (!queue_name(channel, method.queue, name)) return;
  connection_->purge_queue(
      name, answer<std::uint64_t>(channel, [this, &channel, nowait = method.nowait](std::uint64_t messages) {
        if (!nowait) send(channel.number, queue::PurgeOk{count32(messages)});
      }));
}

void Session::on(Channel& channel, const queue::Delete& method) {
  std::string name;
  if (!queue_name(channel, method.queue, name)) return;
  connection_->delete_queue(
      name, method.if_unused, method.if_empty,
      answer<std::uint64_t>(channel, [this, &channel, nowait = method.nowait](std::uint64_t messages) {
        if (!nowait) send(channel.number, queue::DeleteOk{count32(messages)});
      }));
}

}  // namespace millrace::amqp091
