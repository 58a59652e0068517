#include "client/tasks/result_message.hpp"

#include "client/tasks/json_message.hpp"
#include "client/tasks/time_text.hpp"
#include "millrace/json.hpp"

namespace millrace::tasks {

namespace json = boost::json;

std::string_view to_string(State state) noexcept {
  switch (state) {
    case State::pending:
      return "PENDING";
    case State::received:
      return "RECEIVED";
    case State::started:
      return "STARTED";
    case State::retry:
      return "RETRY";
    case State::custom:
      return "CUSTOM";
    case State::success:
      return "SUCCESS";
    case State::failure:
      return "FAILURE";
    case State::revoked:
      return "REVOKED";
  }
  return "";
}

State state_from(std::string_view name) noexcept {
  for (const State state : {State::pending, State::received, State::started, State::retry, State::success,
                            State::failure, State::revoked}) {
    if (name == to_string(state)) return state;
  }
  return State::custom;
}

namespace {

bool has_error(State state) {
  return state == State::failure || state == State::retry || state == State::revoked;
}

// Where Python finds the exception of that name; one that it does not find becomes celery.exceptions.TYPE.
std::string_view module_of(std::string_view type) {
  for (const std::string_view billiard : {"TimeLimitExceeded", "SoftTimeLimitExceeded", "WorkerLostError"}) {
    if (type == billiard) return "billiard.exceptions";
  }
  for (const std::string_view celery : {"TaskRevokedError", "Reject", "Retry", "NotRegistered"}) {
    if (type == celery) return "celery.exceptions";
  }
  return "builtins";
}

json::object error_object(const Status& status) {
  return {{"exc_type", status.error_type},
          {"exc_message", json::array{status.error_text}},
          {"exc_module", module_of(status.error_type)}};
}

std::string message_of(const json::value& value) {
  if (value.is_string()) return json::value_to<std::string>(value);
  if (const json::array* list = value.if_array()) {
    std::string text;
    for (const json::value& one : *list) {
      if (!text.empty()) text += ", ";
      text += message_of(one);
    }
    return text;
  }
  return value.is_null() ? std::string() : json::serialize(value);
}

}  // namespace

Message encode_result(const Request& request, const Status& status, const json::array& children) {
  json::object body;
  body["status"] = status.name;
  body["result"] = has_error(status.state) ? json::value(error_object(status)) : status.value;
  body["traceback"] = status.traceback.empty() ? json::value(nullptr) : json::value(status.traceback);
  body["children"] = children;
  body["date_done"] =
      is_final(status.state) ? json::value(to_text(std::chrono::system_clock::now())) : nullptr;
  body["task_id"] = request.call.id;
  if (!request.call.group.empty()) body["group_id"] = request.call.group;
  if (!request.call.parent_id.empty()) body["parent_id"] = request.call.parent_id;
  Message message = json_message(body);
  message.content_encoding = "utf-8";
  message.correlation_id = correlation_of(request);
  message.persistent = request.durable_result;
  message.mandatory = false;  // who asked may have gone
  return message;
}

std::optional<ReceivedResult> decode_result(const Message& message) {
  boost::system::error_code error;
  const json::value body = parse_json(message.body, error);
  if (error || !body.is_object()) return std::nullopt;
  const json::object& fields = body.get_object();
  const json::value* name = fields.if_contains("status");
  if (name == nullptr || !name->is_string()) return std::nullopt;
  ReceivedResult received;
  const json::value* id = fields.if_contains("task_id");
  received.id = id != nullptr && id->is_string() ? json::value_to<std::string>(*id) : message.correlation_id;
  Status& status = received.status;
  status.name = json::value_to<std::string>(*name);
  status.state = state_from(status.name);
  if (const json::value* traceback = fields.if_contains("traceback");
      traceback != nullptr && traceback->is_string())
    status.traceback = json::value_to<std::string>(*traceback);
  const json::value* result = fields.if_contains("result");
  if (result == nullptr) return received;
  if (!has_error(status.state) || !result->is_object()) {
    status.value = *result;
    return received;
  }
  const json::object& problem = result->get_object();
  if (const json::value* type = problem.if_contains("exc_type")) status.error_type = message_of(*type);
  if (const json::value* text = problem.if_contains("exc_message")) status.error_text = message_of(*text);
  return received;
}

}  // namespace millrace::tasks
