// Where a call goes: the message that carries it, and through which exchange.
#pragma once

#include <optional>
#include <string>

#include "client/src/encoded.hpp"
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
// The same for a call that goes to its queue at once, and only needs that: past the tables of a Message.
// Nothing for one that is to wait or is unique. `message_id` as client::make_message_id gives them.
std::optional<client::Encoded> outgoing_now(const CallData& call, const std::string& reply_to,
                                            const std::string& origin, bool durable_result,
                                            const std::string& message_id);
// What had a received message routed, held, dropped or refused on its way here: it goes on by another one.
void forget_its_way(Message& message);
// A received message again, to come back after a pause; `message` as it is to be then.
Outgoing outgoing_later(const std::string& queue, Message message, Milliseconds pause);

}  // namespace millrace::tasks
