// Results as messages, as Celery's backend rpc:// sends them: to the default exchange, with the task's
// reply_to as the key, its id as correlation_id, and {"status", "result", "traceback", "children", "task_id"}
// as body.
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string>

#include "client/tasks/task_message.hpp"
#include "millrace/message.hpp"
#include "millrace/tasks/result.hpp"

namespace millrace::tasks {

// To whoever asked. For a failure `value` is not used.
Message encode_result(const Request& request, const Status& status, const boost::json::array& children);

struct ReceivedResult {
  std::string id;
  Status status;
};
// Nothing for what is no result.
std::optional<ReceivedResult> decode_result(const Message& message);

State state_from(std::string_view name) noexcept;

}  // namespace millrace::tasks
