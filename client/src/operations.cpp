// What the async_… functions start, on the caller's thread: arguments are checked and encoded here, the I/O
// thread gets what is ready to send.
#include <boost/asio/post.hpp>
#include <future>

#include "client/src/call_channel.hpp"
#include "client/src/core.hpp"
#include "client/src/definition_calls.hpp"
#include "client/src/encoded.hpp"
#include "client/src/fields.hpp"
#include "client/src/received.hpp"
#include "millrace/client.hpp"

namespace millrace::detail {

namespace amqp = millrace::amqp091;
using client::Answer;
using client::Call;
using client::parse_method;
using client::Publish;

namespace {

// Runs `prepare`; what it throws ends the operation.
template <class Done, class Prepare>
void checked(client::Core& core, Done& done, Prepare prepare) {
  try {
    prepare();
  } catch (const ClientError&) {
    core.submit([&core, error = std::current_exception(), done = std::move(done)]() mutable {
      done.fail(std::move(error), &core);
    });
  }
}

template <class Done>
std::uint64_t with_id(client::Core& core, Done& done, void (client::Core::*cancel)(std::uint64_t)) {
  if (!done.can_cancel()) return 0;
  const std::uint64_t id = core.next_id();
  done.on_cancel([weak = core.weak_from_this(), id, cancel] {
    if (const auto alive = weak.lock())
      alive->submit([core = alive.get(), cancel, id] { (core->*cancel)(id); });
  });
  return id;
}

// A call whose answer carries nothing but that it was done; `then` runs first.
template <class Write, class Then>
void start_call(client::Core& core, std::string what, Write write, Then then, Completion<> done) {
  Call call;
  call.what = std::move(what);
  call.write = std::move(write);
  call.deadline = core.deadline({});
  call.id = with_id(core, done, &client::Core::cancel_call);
  call.done = [&core, then = std::move(then), done = std::move(done)](const Answer& answer) mutable {
    if (!answer.error) then(core);
    done(answer.error, &core);
  };
  core.submit([&core, call = std::move(call)]() mutable { core.call(std::move(call)); });
}

// What cannot be encoded fails here rather than on the I/O thread.
template <class Write>
void try_encoding(Write& write) {
  Buffer out;
  write(out, 1);
}

// What a thread keeps for its next message.
constexpr std::size_t kKeptProperties = 64 * 1024;

std::unique_ptr<Publish> make_publish(client::Core& core, Address& to, Message& message) {
  client::check_short_text("the exchange name", to.exchange);
  client::check_short_text("the routing key", to.routing_key);
  if (message.message_id.empty()) message.message_id = core.make_name("m");
  auto publish = std::make_unique<Publish>();
  thread_local Buffer properties;  // kept for its memory
  properties.clear();
  client::write_message_properties(properties, message);
  publish->content = client::RecycledBytes(properties.view());
  publish->properties_bytes = properties.size();
  if (properties.capacity() > kKeptProperties) properties.release();
  publish->exchange = std::move(to.exchange);
  publish->routing_key = std::move(to.routing_key);
  publish->body = std::move(message.body);
  publish->mandatory = message.mandatory;
  publish->deadline = core.deadline(message.timeout);
  return publish;
}

void start_declared(client::Core& core, QueueSpec queue, bool passive, Completion<QueueInfo> done) {
  checked(core, done, [&] {
    Call call;
    call.what = passive ? "looking at queue '" + queue.name + "'" : client::describe(queue);
    call.write = [queue, passive](Buffer& out, std::uint16_t channel) {
      client::write_declare(out, channel, queue, passive);
    };
    try_encoding(call.write);
    call.deadline = core.deadline({});
    call.id = with_id(core, done, &client::Core::cancel_call);
    call.done = [&core, queue, passive, done = std::move(done)](const Answer& answer) mutable {
      if (answer.error) return done.fail(answer.error, &core);
      const auto declared = parse_method<amqp::queue::DeclareOk>(*answer.frame);
      if (!passive && queue.declare_again) core.topology().add(queue);
      done(nullptr, QueueInfo{queue.name, declared.message_count, declared.consumer_count}, &core);
    };
    core.submit([&core, call = std::move(call)]() mutable { core.call(std::move(call)); });
  });
}

}  // namespace

void start_connect(Core& core, Completion<> done) {
  client::ConnectWaiter waiter;
  waiter.id = with_id(core, done, &client::Core::cancel_connect);
  waiter.deadline = core.deadline({});
  waiter.done = std::move(done);
  core.submit([&core, waiter = std::move(waiter)]() mutable { core.connect(std::move(waiter)); });
}

void start_close(Core& core, Completion<> done) {
  core.submit([&core, done = std::move(done)]() mutable { core.close(std::move(done)); });
}

namespace {

void reserve_pending(Core& core, const Publish& publish) {
  if (!core.reserve_pending(publish.bytes()))
    throw ClientError(
        ErrorKind::overloaded,
        "too many messages wait to be confirmed; wait for completions before publishing more, or "
        "raise pending_messages_max and pending_bytes_max");
}

// `done` is left with the caller when this throws.
void submit_publish(Core& core, std::unique_ptr<Publish> publish, Completion<>& done) {
  reserve_pending(core, *publish);
  publish->id = with_id(core, done, &client::Core::cancel_publish);
  publish->done = std::move(done);
  core.submit(std::move(publish));
}

void start_publish_encoded(Core& core, client::Encoded&& message, Completion<> done) {
  checked(core, done, [&] {
    client::check_short_text("the exchange name", message.exchange);
    client::check_short_text("the routing key", message.routing_key);
    auto publish = std::make_unique<Publish>();
    publish->exchange = std::move(message.exchange);
    publish->routing_key = std::move(message.routing_key);
    publish->content = std::move(message.content);
    publish->properties_bytes = message.properties_bytes;
    publish->mandatory = message.mandatory;
    publish->deadline = core.deadline({});
    submit_publish(core, std::move(publish), done);
  });
}

void start_publish_aside(Core& core, Address to, Message message, Completion<> done) {
  checked(core, done, [&] {
    auto publish = make_publish(core, to, message);
    reserve_pending(core, *publish);
    publish->done = std::move(done);
    core.submit([&core, publish = std::move(publish)]() mutable { core.publish_aside(std::move(publish)); });
  });
}

}  // namespace

void start_publish(Core& core, Address to, Message message, Completion<Receipt> done) {
  Receipt& receipt = std::get<0>(done.results());
  Completion<> end = std::move(done).without_results();
  checked(core, end, [&] {
    auto publish = make_publish(core, to, message);
    receipt.message_id = std::move(message.message_id);
    publish->receipt = &receipt;
    submit_publish(core, std::move(publish), end);
  });
}

void start_request(Core& core, Address to, Message message, Completion<Message> done) {
  checked(core, done, [&] {
    client::Request request;
    request.correlation_id = core.make_name("r");
    message.correlation_id = request.correlation_id;
    message.reply_to = "amq.rabbitmq.reply-to";
    message.persistent = false;
    request.publish = make_publish(core, to, message);
    request.deadline = request.publish->deadline;
    request.id = with_id(core, done, &client::Core::cancel_request);
    request.done = std::move(done);
    core.submit([&core, request = std::move(request)]() mutable { core.request(std::move(request)); });
  });
}

void start_get(Core& core, std::string queue, Completion<Delivery> done) {
  checked(core, done, [&] {
    client::check_short_text("the queue name", queue);
    Call call;
    call.what = "getting from queue '" + queue + "'";
    call.write = [queue](Buffer& out, std::uint16_t channel) {
      amqp::basic::Get get;
      get.queue = queue;
      amqp::encode(out, channel, get);
    };
    call.deadline = core.deadline({});
    call.id = with_id(core, done, &client::Core::cancel_call);
    call.done = [&core, done = std::move(done)](const Answer& answer) mutable {
      if (answer.error) return done.fail(answer.error, &core);
      if (!answer.content) return done(nullptr, Delivery(), &core);
      Reader in(answer.content->method.subspan(4));
      amqp::basic::GetOk got;
      if (!amqp::basic::GetOk::parse(in, got)) client::throw_malformed(amqp::basic::GetOk::name);
      Delivery delivery = core.make_delivery(core.gets(), got.exchange, got.routing_key, got.redelivered,
                                             got.delivery_tag, 1, std::move(*answer.content));
      done(nullptr, std::move(delivery), &core);
    };
    core.submit([&core, call = std::move(call)]() mutable { core.get(std::move(call)); });
  });
}

void start_consume_with(Core& core, std::string queue, ConsumeOptions options,
                        std::function<void(Delivery)> handler, Executor executor, Completion<Consumer> done) {
  checked(core, done, [&] {
    client::check_short_text("the queue name", queue);
    client::check_short_text("the consumer tag", options.tag);
    Buffer arguments;
    client::write_table(arguments, options.arguments);
    core.submit([&core, queue = std::move(queue), options = std::move(options), handler = std::move(handler),
                 executor = std::move(executor), done = std::move(done)]() mutable {
      core.consume(std::move(queue), std::move(options), std::move(handler), std::move(executor),
                   std::move(done));
    });
  });
}

void start_consume(Core& core, std::string queue, ConsumeOptions options, Completion<Consumer> done) {
  start_consume_with(core, std::move(queue), std::move(options), nullptr, core.callbacks(), std::move(done));
}

void start_declare_queue(Core& core, QueueSpec queue, Completion<QueueInfo> done) {
  // The broker would make a name up that it does not let us declare again after a reconnect.
  if (queue.name.empty()) queue.name = core.make_name("queue");
  start_declared(core, std::move(queue), false, std::move(done));
}

void start_inspect_queue(Core& core, std::string queue, Completion<QueueInfo> done) {
  start_declared(core, QueueSpec(std::move(queue)), true, std::move(done));
}

void start_delete_queue(Core& core, std::string queue, Completion<> done) {
  checked(core, done, [&] {
    client::check_short_text("the queue name", queue);
    const auto write = [queue](Buffer& out, std::uint16_t channel) {
      amqp::queue::Delete method;
      method.queue = queue;
      amqp::encode(out, channel, method);
    };
    start_call(
        core, "deleting queue '" + queue + "'", write,
        [queue](Core& then) { then.topology().remove_queue(queue); }, std::move(done));
  });
}

void start_purge_queue(Core& core, std::string queue, Completion<> done) {
  checked(core, done, [&] {
    client::check_short_text("the queue name", queue);
    const auto write = [queue](Buffer& out, std::uint16_t channel) {
      amqp::queue::Purge method;
      method.queue = queue;
      amqp::encode(out, channel, method);
    };
    start_call(
        core, "purging queue '" + queue + "'", write, [](Core&) {}, std::move(done));
  });
}

void start_declare_exchange(Core& core, ExchangeSpec exchange, Completion<> done) {
  checked(core, done, [&] {
    const auto write = [exchange](Buffer& out, std::uint16_t channel) {
      client::write_declare(out, channel, exchange);
    };
    try_encoding(write);
    start_call(
        core, client::describe(exchange), write, [exchange](Core& then) { then.topology().add(exchange); },
        std::move(done));
  });
}

void start_delete_exchange(Core& core, std::string exchange, Completion<> done) {
  checked(core, done, [&] {
    client::check_short_text("the exchange name", exchange);
    const auto write = [exchange](Buffer& out, std::uint16_t channel) {
      amqp::exchange::Delete method;
      method.exchange = exchange;
      amqp::encode(out, channel, method);
    };
    start_call(
        core, "deleting exchange '" + exchange + "'", write,
        [exchange](Core& then) { then.topology().remove_exchange(exchange); }, std::move(done));
  });
}

void start_bind(Core& core, BindingSpec binding, Completion<> done) {
  checked(core, done, [&] {
    const auto write = [binding](Buffer& out, std::uint16_t channel) {
      client::write_bind(out, channel, binding);
    };
    try_encoding(write);
    start_call(
        core, client::describe(binding), write, [binding](Core& then) { then.topology().add(binding); },
        std::move(done));
  });
}

void start_unbind(Core& core, BindingSpec binding, Completion<> done) {
  checked(core, done, [&] {
    const auto write = [binding](Buffer& out, std::uint16_t channel) {
      client::write_unbind(out, channel, binding);
    };
    try_encoding(write);
    start_call(
        core, "un" + client::describe(binding), write,
        [binding](Core& then) { then.topology().remove(binding); }, std::move(done));
  });
}

}  // namespace millrace::detail

namespace millrace::client {

void publish(Client& client, Encoded message, detail::Completion<> done) {
  detail::start_publish_encoded(Internals::core(client), std::move(message), std::move(done));
}

void publish_aside(Client& client, Address to, Message message, detail::Completion<> done) {
  detail::start_publish_aside(Internals::core(client), std::move(to), std::move(message), std::move(done));
}

Executor io_executor(Client& client) {
  return Internals::core(client).context().get_executor();
}

void wait_for_io_thread(Client& client) {
  std::promise<void> reached;
  boost::asio::post(io_executor(client), [&reached] { reached.set_value(); });
  reached.get_future().wait();
}

std::string make_message_id(Client& client) {
  return Internals::core(client).make_name("m");
}

ByteView raw_properties(const Delivery& delivery) noexcept {
  return Received::of(delivery).raw_properties();
}

std::string_view raw_body(const Delivery& delivery) noexcept {
  return Received::of(delivery).raw_body();
}

}  // namespace millrace::client
