// What the pump asks of a protocol's session, whichever protocol it is.
//
// Thread: the connection's shard. Never called from inside a call of the session's transport.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

#include "base/bytes.hpp"
#include "broker/connection.hpp"
#include "protocol/amqp091/transport.hpp"

namespace millrace::server {

class ByteSession {
 public:
  virtual ~ByteSession() = default;
  // Returns how many bytes it is done with; the rest is offered again with more behind it.
  virtual std::size_t on_bytes(ByteView received) = 0;
  // The output has fallen to Connection::kOutputHighBytes or below again.
  virtual void on_written() = 0;
  // On its new thread, after Transport::move_to: the broker is reached by this gate now.
  virtual void on_moved(broker::Gate& gate) = 0;
  // Once, when the socket is gone, whoever closed it.
  virtual void on_disconnected() = 0;
};

using SessionFactory = std::function<std::unique_ptr<ByteSession>(
    broker::Gate& gate, amqp091::Transport& transport, broker::ConnectionInfo info)>;

}  // namespace millrace::server
