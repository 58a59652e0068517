// What a client tells its listeners about its connection.
#pragma once

#include <cstdint>
#include <string>

namespace millrace {

enum class EventKind : std::uint8_t {
  connected,        // logged in; what was declared is declared again, consumers consume
  disconnected,     // trying again; calls wait
  connect_failed,   // one attempt failed, the next follows
  failed,           // given up: no server of the list takes this login, or none speaks AMQP 0-9-1
  blocked,          // the broker reads no publishes for the moment (memory or disk); they wait here
  unblocked,        //
  recovery_failed,  // something that was declared before cannot be declared again; the rest was
  handler_failed,   // a consumer's callback threw; its message went back to the queue
};

struct Event {
  EventKind kind = EventKind::connected;
  std::string server;  // host:port
  std::string text;    // the reason, for people
};

}  // namespace millrace
