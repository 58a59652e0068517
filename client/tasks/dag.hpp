// Dags in the broker: a durable queue for each, with one message, its state. Whoever carries out an advance
// call has that message, puts a newer one in, and acknowledges the old one; what dies in between leaves both,
// of which the newer one counts.
#pragma once

#include <string>

#include "client/tasks/dag_state.hpp"
#include "client/tasks/places.hpp"
#include "millrace/client.hpp"

namespace millrace::tasks {

QueueSpec dag_queue(const std::string& id);
Message dag_state_message(const boost::json::object& state);

// What an advance call does. Throws Retry while another one is at it.
void run_advance(Client& client, Places& places, const CallData& call, const std::string& origin);

}  // namespace millrace::tasks
