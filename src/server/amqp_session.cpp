#include "server/amqp_session.hpp"

#include <utility>

#include "protocol/amqp091/session.hpp"
#include "server/connection.hpp"

namespace millrace::server {
namespace {

// The pump tells of room from this mark on, so the session must not stop at a lower one.
static_assert(amqp091::Session::kOutputHighBytes >= Connection::kOutputHighBytes);

class AmqpSession final : public ByteSession {
 public:
  AmqpSession(broker::Gate& gate, amqp091::Transport& transport, const amqp091::SessionOptions& options,
              broker::ConnectionInfo info)
      : session_(gate, transport, options, std::move(info)) {}
  std::size_t on_bytes(ByteView received) override { return session_.on_bytes(received); }
  void on_written() override { session_.on_written(); }
  void on_moved(broker::Gate& gate) override { session_.on_moved(gate); }
  void on_disconnected() override { session_.on_disconnected(); }

 private:
  amqp091::Session session_;
};

}  // namespace

SessionFactory amqp_sessions(const amqp091::SessionOptions& options) {
  return [&options](broker::Gate& gate, amqp091::Transport& transport, broker::ConnectionInfo info) {
    info.protocol = "AMQP 0-9-1";
    return std::make_unique<AmqpSession>(gate, transport, options, std::move(info));
  };
}

}  // namespace millrace::server
