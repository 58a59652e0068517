// Dags in the broker: a durable queue for each, with its state (kept_state.hpp), which whoever carries out an
// advance call takes and replaces.
#pragma once

#include <string>

#include "client/tasks/dag_state.hpp"
#include "client/tasks/places.hpp"
#include "millrace/client.hpp"

namespace millrace::tasks {

QueueSpec dag_queue(const std::string& id);

// What an advance call does. Throws Retry while another one is at it.
void run_advance(Client& client, Places& places, const CallData& call, const std::string& origin);

}  // namespace millrace::tasks
