// Dags in the broker: a durable queue for each, with its state (kept_state.hpp), which whoever carries out an
// advance call takes and replaces.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "client/tasks/dag_state.hpp"
#include "client/tasks/places.hpp"
#include "client/tasks/results_exchange.hpp"
#include "millrace/client.hpp"

namespace millrace::tasks {

QueueSpec dag_queue(const std::string& id);

// What an advance call does. Throws Retry while another one is at it.
void run_advance(Client& client, Places& places, const std::shared_ptr<ResultsExchange>& results,
                 const CallData& call, const std::string& origin);

// False: there is no dag of that id, or it has ended, or this user may not see it. Blocks; throws a
// ClientError.
bool cancel_dag(Client& client, const std::string& id, bool running_too);

// A result of a dag's call, which has the dag's queue as its reply_to: what Celery's workers revoke or do not
// know they tell nobody else.
struct StepResult {
  std::optional<CallData> advance;  // nothing: the dag hears of it in other ways
};
// Nothing for what is none.
std::optional<StepResult> read_step_result(const Message& message, const std::string& queue);

}  // namespace millrace::tasks
