// The client: one connection to a broker that it keeps up by itself.
//
// All of it may be called from any thread, callbacks and destructors included; nothing of the program runs on
// the thread that serves the connection. Calls made while there is no connection wait for one, up to their
// timeout. Each async_… takes a completion token last (completion.hpp); the function of the same name without
// async_ blocks, and throws a ClientError.
//
// The connection comes back after a failure, at the next of the servers, with growing pauses; then all that
// was declared and bound through this client is declared again, consumers consume again, messages without a
// confirm are sent again, and unanswered declarations are asked again.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "millrace/completion.hpp"
#include "millrace/consumer.hpp"
#include "millrace/definitions.hpp"
#include "millrace/delivery.hpp"
#include "millrace/error.hpp"
#include "millrace/event_loop.hpp"
#include "millrace/events.hpp"
#include "millrace/listeners.hpp"
#include "millrace/message.hpp"
#include "millrace/options.hpp"

namespace millrace {

namespace client {
struct Internals;
}

namespace detail {

using client::Core;

void start_connect(Core& core, Completion<> done);
void start_close(Core& core, Completion<> done);
void start_publish(Core& core, Address to, Message message, Completion<Receipt> done);
void start_request(Core& core, Address to, Message message, Completion<Message> done);
void start_get(Core& core, std::string queue, Completion<Delivery> done);
void start_consume(Core& core, std::string queue, ConsumeOptions options, Completion<Consumer> done);
void start_consume_with(Core& core, std::string queue, ConsumeOptions options,
                        std::function<void(Delivery)> handler, Executor executor, Completion<Consumer> done);
void start_declare_queue(Core& core, QueueSpec queue, Completion<QueueInfo> done);
void start_inspect_queue(Core& core, std::string queue, Completion<QueueInfo> done);
void start_delete_queue(Core& core, std::string queue, Completion<> done);
void start_purge_queue(Core& core, std::string queue, Completion<> done);
void start_declare_exchange(Core& core, ExchangeSpec exchange, Completion<> done);
void start_delete_exchange(Core& core, std::string exchange, Completion<> done);
void start_bind(Core& core, BindingSpec binding, Completion<> done);
void start_unbind(Core& core, BindingSpec binding, Completion<> done);

}  // namespace detail

// What the broker said of itself.
struct BrokerInfo {
  std::string address;  // host:port; empty before the first connection
  std::string product;
  std::string version;
  bool is_millrace = false;
};

class Client {
 public:
  // Begins to connect and returns. Callbacks run on threads of the client's own, on those of a loop, or on an
  // executor; the latter two have to outlive it. Throws for a malformed address.
  explicit Client(ClientOptions options = {});
  Client(ClientOptions options, EventLoop& callbacks);
  Client(ClientOptions options, Executor callbacks);
  // close(), within close_timeout.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Waits until it is logged in. There is no need to call it: it tells early what is wrong. Fails at once
  // where trying again cannot help (login, TLS, protocol), else after operation_timeout, with why the last
  // attempt failed; the client goes on trying.
  template <class Token = DefaultToken>
  auto async_connect(Token&& token = Token()) {
    return start<&detail::start_connect>(token);
  }
  void connect();

  // Waits for confirms and answers that are due, says goodbye, and ends what is still under way with
  // ErrorKind::closed. Every later call fails with that.
  template <class Token = DefaultToken>
  auto async_close(Token&& token = Token()) {
    return start<&detail::start_close>(token);
  }
  void close();

  // -- messages
  // ------------------------------------------------------------------------------------------------------

  // Publishes one message. Completes when the broker has confirmed it; until then the client keeps it and
  // sends it again where needed, so it arrives at least once (Receipt::attempts). Messages of one client keep
  // their order unless one is sent again. Errors: unroutable, rejected, not_found and access_refused (the
  // exchange), timed_out, overloaded ...
  template <class Token = DefaultToken>
  auto async_publish(Address to, Message message, Token&& token = Token()) {
    return start<&detail::start_publish, Receipt>(token, std::move(to), std::move(message));
  }
  Receipt publish(Address to, Message message);

  // Sends a request and completes with its reply; `serve` is the other side. Not sent again after a lost
  // connection: the caller knows whether its request may be handled twice.
  template <class Token = DefaultToken>
  auto async_request(Address to, Message message, Token&& token = Token()) {
    return start<&detail::start_request, Message>(token, std::move(to), std::move(message));
  }
  Message request(Address to, Message message);

  // Answers requests: the handler's result goes to whoever asked, and the request is acknowledged once the
  // reply is confirmed. An exception of the handler becomes the requester's error (ErrorKind::remote).
  Consumer serve(std::string queue, std::function<Message(const Delivery&)> handler,
                 ConsumeOptions options = ConsumeOptions());

  // Consumes a queue: by Consumer::async_next and next ...
  template <class Token = DefaultToken>
  auto async_consume(std::string queue, ConsumeOptions options = ConsumeOptions(), Token&& token = Token()) {
    return start<&detail::start_consume, Consumer>(token, std::move(queue), std::move(options));
  }
  Consumer consume(std::string queue, ConsumeOptions options = ConsumeOptions());

  // ... or by a callback `void(Delivery)`, on the executor bound to it (else the client's). One that throws
  // gives its message back.
  template <class Handler>
  requires std::is_invocable_v<Handler&, Delivery> Consumer
  consume(std::string queue, Handler handler, ConsumeOptions options = ConsumeOptions()) {
    const Executor executor = boost::asio::get_associated_executor(handler, executor_);
    auto shared = std::make_shared<Handler>(std::move(handler));
    return consume_with(
        std::move(queue), std::move(options), [shared](Delivery delivery) { (*shared)(std::move(delivery)); },
        executor);
  }

  // One message without a consumer, or an empty Delivery. For looking now and then: consuming is much
  // cheaper.
  template <class Token = DefaultToken>
  auto async_get(std::string queue, Token&& token = Token()) {
    return start<&detail::start_get, Delivery>(token, std::move(queue));
  }
  Delivery get(std::string queue);

  // -- definitions
  // ---------------------------------------------------------------------------------------------------

  // Declaring what is there already as it is there does nothing; otherwise ErrorKind::precondition.
  template <class Token = DefaultToken>
  auto async_declare_queue(QueueSpec queue, Token&& token = Token()) {
    return start<&detail::start_declare_queue, QueueInfo>(token, std::move(queue));
  }
  QueueInfo declare_queue(QueueSpec queue);

  // Changes nothing: not_found when there is no such queue.
  template <class Token = DefaultToken>
  auto async_inspect_queue(std::string queue, Token&& token = Token()) {
    return start<&detail::start_inspect_queue, QueueInfo>(token, std::move(queue));
  }
  QueueInfo inspect_queue(std::string queue);

  template <class Token = DefaultToken>
  auto async_delete_queue(std::string queue, Token&& token = Token()) {
    return start<&detail::start_delete_queue>(token, std::move(queue));
  }
  void delete_queue(std::string queue);

  template <class Token = DefaultToken>
  auto async_purge_queue(std::string queue, Token&& token = Token()) {
    return start<&detail::start_purge_queue>(token, std::move(queue));
  }
  void purge_queue(std::string queue);

  template <class Token = DefaultToken>
  auto async_declare_exchange(ExchangeSpec exchange, Token&& token = Token()) {
    return start<&detail::start_declare_exchange>(token, std::move(exchange));
  }
  void declare_exchange(ExchangeSpec exchange);

  template <class Token = DefaultToken>
  auto async_delete_exchange(std::string exchange, Token&& token = Token()) {
    return start<&detail::start_delete_exchange>(token, std::move(exchange));
  }
  void delete_exchange(std::string exchange);

  template <class Token = DefaultToken>
  auto async_bind(BindingSpec binding, Token&& token = Token()) {
    return start<&detail::start_bind>(token, std::move(binding));
  }
  void bind(BindingSpec binding);

  template <class Token = DefaultToken>
  auto async_unbind(BindingSpec binding, Token&& token = Token()) {
    return start<&detail::start_unbind>(token, std::move(binding));
  }
  void unbind(BindingSpec binding);

  // -- the connection
  // ------------------------------------------------------------------------------------------------

  // Listeners run on the client's executor. See EventKind.
  ListenerId on_event(std::function<void(const Event&)> listener);
  bool remove_listener(ListenerId id);

  BrokerInfo broker() const;
  // Throws not_supported, saying what for, when the broker is not Millrace; waits for a connection.
  void require_millrace(const std::string& what);

  // Where callbacks run that are bound to nothing else.
  const Executor& executor() const noexcept { return executor_; }

 private:
  friend struct client::Internals;

  template <auto kStart, class... Results, class Token, class... Args>
  auto start(Token& token, Args&&... args) {
    return boost::asio::async_initiate<Token, void(std::exception_ptr, Results...)>(
        detail::Initiation<client::Core, kStart, Results...>(core_, executor_), token,
        std::forward<Args>(args)...);
  }
  Consumer consume_with(std::string queue, ConsumeOptions options, std::function<void(Delivery)> handler,
                        Executor executor);

  std::unique_ptr<EventLoop> own_loop_;
  Executor executor_;
  std::shared_ptr<client::Core> core_;
  std::thread io_thread_;
};

}  // namespace millrace
