#include "millrace/client.hpp"

#include "client/src/blocking.hpp"
#include "client/src/core.hpp"

namespace millrace {

using client::wait_for;

namespace {

// How the error of a service reaches the one who asked it.
constexpr const char* kErrorHeader = "millrace-error";

}  // namespace

Client::Client(ClientOptions options, Executor callbacks)
    : executor_(std::move(callbacks)), core_(std::make_shared<client::Core>(std::move(options), executor_)) {
  core_->begin();
  io_thread_ = std::thread([core = core_] { core->context().run(); });
}

Client::Client(ClientOptions options, EventLoop& callbacks)
    : Client(std::move(options), callbacks.executor()) {}

Client::Client(ClientOptions options)
    : own_loop_(std::make_unique<EventLoop>(options.callback_threads)), executor_(own_loop_->executor()) {
  core_ = std::make_shared<client::Core>(std::move(options), executor_);
  core_->begin();
  io_thread_ = std::thread([core = core_] { core->context().run(); });
}

Client::~Client() {
  close();
  core_->context().stop();
  io_thread_.join();
  core_->end();
  if (own_loop_) own_loop_->finish();
}

void Client::connect() {
  wait_for<>([&](detail::Completion<> done) { detail::start_connect(*core_, std::move(done)); });
}

void Client::close() {
  wait_for<>([&](detail::Completion<> done) { detail::start_close(*core_, std::move(done)); });
}

Receipt Client::publish(Address to, Message message) {
  return wait_for<Receipt>([&](detail::Completion<Receipt> done) {
    detail::start_publish(*core_, std::move(to), std::move(message), std::move(done));
  });
}

Message Client::request(Address to, Message message) {
  return wait_for<Message>([&](detail::Completion<Message> done) {
    detail::start_request(*core_, std::move(to), std::move(message), std::move(done));
  });
}

Consumer Client::serve(std::string queue, std::function<Message(const Delivery&)> handler,
                       ConsumeOptions options) {
  auto answer = [core = std::weak_ptr(core_), handler = std::move(handler),
                 executor = executor_](Delivery request) {
    const Message& asked = request.message();
    if (asked.reply_to.empty()) return request.reject();  // nobody waits for an answer
    Address to(asked.reply_to);
    Message reply;
    try {
      reply = handler(request);
    } catch (const std::exception& error) {
      reply = Message();
      reply.headers[kErrorHeader] = error.what();
    }
    reply.correlation_id = asked.correlation_id;
    reply.persistent = false;
    reply.mandatory = false;  // who asked may have gone
    const auto alive = core.lock();
    if (!alive) return;
    auto held = std::make_shared<Delivery>(std::move(request));
    auto confirmed = [held](std::exception_ptr error, const Receipt&) {
      if (!error) held->ack();
    };
    detail::start_publish(*alive, std::move(to), std::move(reply),
                          detail::Completion<Receipt>(std::move(confirmed), executor));
  };
  return consume_with(std::move(queue), std::move(options), std::move(answer), executor_);
}

Consumer Client::consume(std::string queue, ConsumeOptions options) {
  return consume_with(std::move(queue), std::move(options), nullptr, executor_);
}

Consumer Client::consume_with(std::string queue, ConsumeOptions options,
                              std::function<void(Delivery)> handler, Executor executor) {
  return wait_for<Consumer>([&](detail::Completion<Consumer> done) {
    detail::start_consume_with(*core_, std::move(queue), std::move(options), std::move(handler),
                               std::move(executor), std::move(done));
  });
}

Delivery Client::get(std::string queue) {
  return wait_for<Delivery>([&](detail::Completion<Delivery> done) {
    detail::start_get(*core_, std::move(queue), std::move(done));
  });
}

QueueInfo Client::declare_queue(QueueSpec queue) {
  return wait_for<QueueInfo>([&](detail::Completion<QueueInfo> done) {
    detail::start_declare_queue(*core_, std::move(queue), std::move(done));
  });
}

QueueInfo Client::inspect_queue(std::string queue) {
  return wait_for<QueueInfo>([&](detail::Completion<QueueInfo> done) {
    detail::start_inspect_queue(*core_, std::move(queue), std::move(done));
  });
}

void Client::delete_queue(std::string queue) {
  wait_for<>([&](detail::Completion<> done) {
    detail::start_delete_queue(*core_, std::move(queue), std::move(done));
  });
}

void Client::purge_queue(std::string queue) {
  wait_for<>([&](detail::Completion<> done) {
    detail::start_purge_queue(*core_, std::move(queue), std::move(done));
  });
}

void Client::declare_exchange(ExchangeSpec exchange) {
  wait_for<>([&](detail::Completion<> done) {
    detail::start_declare_exchange(*core_, std::move(exchange), std::move(done));
  });
}

void Client::delete_exchange(std::string exchange) {
  wait_for<>([&](detail::Completion<> done) {
    detail::start_delete_exchange(*core_, std::move(exchange), std::move(done));
  });
}

void Client::bind(BindingSpec binding) {
  wait_for<>(
      [&](detail::Completion<> done) { detail::start_bind(*core_, std::move(binding), std::move(done)); });
}

void Client::unbind(BindingSpec binding) {
  wait_for<>(
      [&](detail::Completion<> done) { detail::start_unbind(*core_, std::move(binding), std::move(done)); });
}

ListenerId Client::on_event(std::function<void(const Event&)> listener) {
  return core_->listeners().add(std::move(listener));
}

bool Client::remove_listener(ListenerId id) {
  return core_->listeners().remove(id);
}

BrokerInfo Client::broker() const {
  const client::ServerInfo info = core_->server_info();
  return {info.address, info.product, info.version, info.millrace};
}

void Client::require_millrace(const std::string& what) {
  connect();
  const BrokerInfo info = broker();
  if (!info.is_millrace)
    throw ClientError(ErrorKind::not_supported, what + " needs a Millrace broker; " + info.address + " is " +
                                                    info.product + " " + info.version);
}

Consumer& Consumer::operator=(Consumer&& other) noexcept {
  if (this == &other) return *this;
  cancel();
  mailbox_ = std::move(other.mailbox_);
  core_ = std::move(other.core_);
  channel_ = other.channel_;
  executor_ = std::move(other.executor_);
  return *this;
}

void Consumer::start_next(client::Mailbox& mailbox, detail::Completion<Delivery> done) {
  mailbox.next(std::move(done));
}

Delivery Consumer::next() {
  if (!mailbox_) throw ClientError(ErrorKind::closed, "this consumer was cancelled, or never started");
  return wait_for<Delivery>([&](detail::Completion<Delivery> done) { mailbox_->next(std::move(done)); });
}

void Consumer::cancel() noexcept {
  if (!mailbox_) return;  // moved from
  const auto mailbox = mailbox_;
  mailbox->close(make_failure(ErrorKind::closed, "this consumer was cancelled by the program"));
  mailbox->forget();
  const auto core = core_.lock();
  if (!core) return;
  core->submit(
      [core = core.get(), channel = channel_, mailbox] { core->stop_consumer(channel, mailbox.get()); });
}

}  // namespace millrace
