// Where a call goes: the message that carries it, and through which exchange.
#pragma once

#include <string>

#include "client/tasks/places.hpp"
#include "millrace/message.hpp"
#include "millrace/tasks/call.hpp"

namespace millrace::tasks {

struct Outgoing {
  Places::Need need = Places::Need::queue;  // what has to be there first
  std::string queue;
  Address to;
  Message message;
};

// The call has its id and its queue.
Outgoing outgoing(const CallData& call, const std::string& reply_to, const std::string& origin);
// A received message again, to come back after a pause; `message` as it is to be then.
Outgoing outgoing_later(const std::string& queue, Message message, Milliseconds pause);

}  // namespace millrace::tasks
