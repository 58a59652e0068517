// Receives the messages of one queue.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "millrace/completion.hpp"
#include "millrace/delivery.hpp"
#include "millrace/error.hpp"

namespace millrace {

class Client;
namespace client {
class Core;
class Mailbox;
}  // namespace client

// Not an aggregate, for the reason that Message is none.
class ConsumeOptions {
 public:
  ConsumeOptions() = default;

  // How many messages may be unsettled at once; what is here cannot be given to anybody else. 0: chosen by
  // what is known of the queue. One that orders its messages (priorities) is asked for as many as are worked
  // on, since whatever waits here is past reordering (see docs/client.md); a plain queue for enough to never
  // wait.
  std::uint16_t prefetch = 0;
  // How many messages are worked on at once; for the choice above, and for callbacks: with 1 they are called
  // one after another and in order, with more as many at once as the executor has threads.
  std::uint16_t parallel = 1;
  // The broker forgets messages as it sends them: whatever happens here, none comes again.
  bool no_ack = false;
  bool exclusive = false;
  FieldTable arguments;  // x-priority …
  std::string tag;       // shown by the broker; empty: made up
  // For consumers with a callback, which have no next() to tell them: it has ended, and this program did not
  // end it (consumer_cancelled, or why it cannot consume again on a new connection). Called once, where the
  // callback is.
  std::function<void(Failure)> on_end;
};

// A handle; its destruction ends the consumer. Messages that the program still holds can be settled
// afterwards. Usable from any thread, also several at once: each message goes to one of them.
class Consumer {
 public:
  Consumer() = default;
  Consumer(Consumer&&) noexcept = default;
  Consumer& operator=(Consumer&& other) noexcept;
  ~Consumer() { cancel(); }

  // The next message: `Delivery d = co_await consumer.async_next();`, or with a token. Not for consumers with
  // a callback. Fails with consumer_cancelled when the queue was deleted, with closed after cancel().
  template <class Token = DefaultToken>
  auto async_next(Token&& token = Token()) {
    return boost::asio::async_initiate<Token, void(std::exception_ptr, Delivery)>(
        detail::Initiation<client::Mailbox, &Consumer::start_next, Delivery>(mailbox_, executor_), token);
  }
  // The same, blocking.
  Delivery next();

  // Ends it: the broker gives to others what nobody here has taken.
  void cancel() noexcept;
  explicit operator bool() const noexcept { return mailbox_ != nullptr; }

 private:
  friend class client::Core;
  static void start_next(client::Mailbox& mailbox, detail::Completion<Delivery> done);

  std::shared_ptr<client::Mailbox> mailbox_;
  std::weak_ptr<client::Core> core_;
  std::uint16_t channel_ = 0;
  Executor executor_;
};

}  // namespace millrace
