#include "client/tasks/task_message.hpp"

#include <stdexcept>

#include "client/tasks/dead_letter.hpp"
#include "client/tasks/identity.hpp"
#include "client/tasks/time_text.hpp"

namespace millrace::tasks {
namespace {

namespace json = boost::json;

constexpr std::string_view kJson = "application/json";

double seconds(Milliseconds time) {
  return static_cast<double>(time.count()) / 1000;
}

Milliseconds milliseconds(double seconds) {
  return Milliseconds(static_cast<std::int64_t>(seconds * 1000 + 0.5));
}

// Null or a number: a limit, an index.
std::optional<double> number_of(const json::value& value) {
  if (value.is_int64()) return static_cast<double>(value.get_int64());
  if (value.is_uint64()) return static_cast<double>(value.get_uint64());
  if (value.is_double()) return value.get_double();
  return std::nullopt;
}

std::optional<double> number_of(const Field& field) {
  if (const auto* whole = field.as<std::int64_t>()) return static_cast<double>(*whole);
  if (const auto* broken = field.as<double>()) return *broken;
  return std::nullopt;
}

json::array signatures_of(const std::vector<CallData>& calls, const std::string& reply_to) {
  json::array list;
  for (const CallData& call : calls) list.push_back(signature_of(call, reply_to));
  return list;
}

std::string text_header(const Message& message, std::string_view name) {
  const Field* field = message.header(name);
  const auto* text = field == nullptr ? nullptr : field->as<std::string>();
  return text == nullptr ? std::string() : *text;
}

std::int64_t whole_header(const Message& message, std::string_view name, std::int64_t otherwise) {
  const Field* field = message.header(name);
  const auto* whole = field == nullptr ? nullptr : field->as<std::int64_t>();
  return whole == nullptr ? otherwise : *whole;
}

bool flag_header(const Message& message, std::string_view name) {
  const Field* field = message.header(name);
  const auto* flag = field == nullptr ? nullptr : field->as<bool>();
  return flag != nullptr && *flag;
}

// A time that is there has to be one: a task must not run early because its eta was not understood.
std::optional<WallTime> time_header(const Message& message, std::string_view name) {
  const std::string text = text_header(message, name);
  if (text.empty()) return std::nullopt;
  const auto time = time_from(text);
  if (!time) throw std::invalid_argument("the header " + std::string(name) + " is no time: " + text);
  return time;
}

std::vector<CallData> calls_in(const json::object& embedded, std::string_view name) {
  std::vector<CallData> calls;
  const json::value* list = embedded.if_contains(name);
  if (list == nullptr || list->is_null()) return calls;
  // Celery also writes a single signature where there is one.
  if (list->is_object()) {
    calls.push_back(call_from_signature(list->get_object()));
    return calls;
  }
  for (const json::value& one : list->as_array()) calls.push_back(call_from_signature(one.as_object()));
  return calls;
}

void read_limits(const Message& message, CallData& call) {
  const Field* field = message.header("timelimit");
  const auto* list = field == nullptr ? nullptr : field->as<FieldList>();
  if (list == nullptr || list->size() != 2) return;
  // Celery's document says (soft, hard); its code writes and reads (hard, soft).
  if (const auto hard = number_of((*list)[0])) call.hard_limit = milliseconds(*hard);
  if (const auto soft = number_of((*list)[1])) call.soft_limit = milliseconds(*soft);
}

void read_headers(const Message& message, Request& request) {
  CallData& call = request.call;
  call.task = text_header(message, "task");
  call.id = text_header(message, "id");
  if (call.task.empty() || call.id.empty())
    throw std::invalid_argument("it has no header 'task' or 'id': not a task of message protocol 2");
  call.root_id = text_header(message, "root_id");
  if (call.root_id.empty()) call.root_id = call.id;
  call.parent_id = text_header(message, "parent_id");
  call.group = text_header(message, "group");
  call.group_index = whole_header(message, "group_index", -1);
  call.eta = time_header(message, "eta");
  call.expires = time_header(message, "expires");
  call.ignore_result = flag_header(message, "ignore_result");
  call.priority = message.priority;
  const std::string barrier = text_header(message, kBarrier);
  if (!barrier.empty()) call.barrier = json::parse(barrier);
  read_limits(message, call);
  request.message_id = message.message_id;
  request.reply_to = message.reply_to;
  request.correlation_id = message.correlation_id.empty() ? call.id : message.correlation_id;
  request.retries = whole_header(message, "retries", 0);
  request.deaths = whole_header(message, kDeaths, 0);
  request.durable_result = flag_header(message, kDurableResult);
  request.paced = flag_header(message, kPaced);
  request.origin = text_header(message, "origin");
  // A dead letter that somebody moved back begins anew: what was before its death is over. Its death makes
  // it another message than the one that died.
  if (const std::string died = text_header(message, kDeadTime); !died.empty()) {
    request.message_id += "after " + died;
    request.retries = request.deaths = 0;
    request.paced = false;
    call.eta.reset();
    call.expires.reset();
  }
  request.args_text = text_header(message, "argsrepr");
  request.kwargs_text = text_header(message, "kwargsrepr");
}

void read_body(const Message& message, CallData& call) {
  if (message.content_type != kJson)
    throw std::invalid_argument("its body is '" + message.content_type +
                                "', and only application/json is read");
  json::value body = json::parse({message.body.data(), message.body.size()});
  json::array& parts = body.as_array();
  if (parts.size() != 3) throw std::invalid_argument("its body is no list of three");
  call.args = std::move(parts[0].as_array());
  call.kwargs = std::move(parts[1].as_object());
  if (!parts[2].is_object()) return;
  json::object& embedded = parts[2].get_object();
  call.on_success = calls_in(embedded, "callbacks");
  call.on_failure = calls_in(embedded, "errbacks");
  // Celery takes them off the end.
  const std::vector<CallData> chain = calls_in(embedded, "chain");
  call.next.assign(chain.rbegin(), chain.rend());
  if (json::value* chord = embedded.if_contains("chord")) call.chord = std::move(*chord);
}

void append_python(std::string& out, const json::value& value, std::size_t longest) {
  if (out.size() > longest) return;
  switch (value.kind()) {
    case json::kind::null:
      out += "None";
      break;
    case json::kind::bool_:
      out += value.get_bool() ? "True" : "False";
      break;
    case json::kind::string:
      out += '\'';
      out.append(value.get_string().data(), std::min(value.get_string().size(), longest));
      out += '\'';
      break;
    case json::kind::array: {
      out += '[';
      const char* separator = "";
      for (const json::value& one : value.get_array()) {
        out += separator;
        append_python(out, one, longest);
        separator = ", ";
      }
      out += ']';
      break;
    }
    case json::kind::object: {
      out += '{';
      const char* separator = "";
      for (const auto& [name, one] : value.get_object()) {
        out += separator;
        out += '\'';
        out.append(name.data(), name.size());
        out += "': ";
        append_python(out, one, longest);
        separator = ", ";
      }
      out += '}';
      break;
    }
    case json::kind::int64:
    case json::kind::uint64:
    case json::kind::double_:
      out += json::serialize(value);
      break;
  }
}

}  // namespace

std::string python_text(const json::value& value, std::size_t longest) {
  std::string text;
  append_python(text, value, longest);
  if (text.size() <= longest) return text;
  text.resize(longest);
  return text + "...";
}

Message encode_call(const CallData& call, const std::string& reply_to, const std::string& origin) {
  json::array body;
  body.reserve(3);
  body.push_back(call.args);
  body.push_back(call.kwargs);
  json::object embedded;
  const auto or_null = [](json::array list) {
    return list.empty() ? json::value(nullptr) : json::value(std::move(list));
  };
  embedded["callbacks"] = or_null(signatures_of(call.on_success, reply_to));
  embedded["errbacks"] = or_null(signatures_of(call.on_failure, reply_to));
  const std::vector<CallData> backwards(call.next.rbegin(), call.next.rend());
  embedded["chain"] = or_null(signatures_of(backwards, reply_to));
  embedded["chord"] = call.chord;
  body.push_back(std::move(embedded));

  Message message(json::serialize(body));
  message.content_type = kJson;
  message.content_encoding = "utf-8";
  message.correlation_id = call.id;
  message.reply_to = reply_to;
  message.priority = call.priority;
  FieldTable& headers = message.headers;
  headers["lang"] = "cpp";
  headers["task"] = call.task;
  headers["id"] = call.id;
  headers["root_id"] = call.root_id.empty() ? call.id : call.root_id;
  if (!call.parent_id.empty()) headers["parent_id"] = call.parent_id;
  if (!call.group.empty()) headers["group"] = call.group;
  if (call.group_index >= 0) headers["group_index"] = call.group_index;
  headers["retries"] = 0;
  if (call.eta) headers["eta"] = to_text(*call.eta);
  if (call.expires) headers["expires"] = to_text(*call.expires);
  if (call.hard_limit.count() > 0 || call.soft_limit.count() > 0) {
    const auto limit = [](Milliseconds time) { return time.count() > 0 ? Field(seconds(time)) : Field(); };
    headers["timelimit"] = FieldList{limit(call.hard_limit), limit(call.soft_limit)};
  }
  std::string args = python_text(call.args);
  args.front() = '(';
  if (args.back() == ']') args.back() = ')';
  headers["argsrepr"] = std::move(args);
  headers["kwargsrepr"] = python_text(call.kwargs);
  headers["origin"] = origin;
  if (call.ignore_result) headers["ignore_result"] = true;
  if (!call.barrier.is_null()) headers[kBarrier] = json::serialize(call.barrier);
  return message;
}

std::variant<Request, std::string> decode_call(const Message& message) {
  try {
    Request request;
    read_headers(message, request);
    read_body(message, request.call);
    return request;
  } catch (const std::exception& error) {
    return std::string(error.what());
  }
}

json::object signature_of(const CallData& call, const std::string& reply_to) {
  json::object options;
  options["task_id"] = call.id.empty() ? make_id() : call.id;
  if (!reply_to.empty()) options["reply_to"] = reply_to;
  if (!call.queue.empty()) options["queue"] = call.queue;
  if (call.priority != 0) options["priority"] = call.priority;
  if (call.eta) options["eta"] = to_text(*call.eta);
  if (call.expires) options["expires"] = to_text(*call.expires);
  if (call.soft_limit.count() > 0) options["soft_time_limit"] = seconds(call.soft_limit);
  if (call.hard_limit.count() > 0) options["time_limit"] = seconds(call.hard_limit);
  if (!call.on_success.empty()) options["link"] = signatures_of(call.on_success, reply_to);
  if (!call.on_failure.empty()) options["link_error"] = signatures_of(call.on_failure, reply_to);
  if (call.ignore_result) options["ignore_result"] = true;
  if (!call.group.empty()) options["group_id"] = call.group;
  if (call.group_index >= 0) options["group_index"] = call.group_index;
  if (!call.barrier.is_null()) options[kBarrier] = call.barrier;
  return {{"task", call.task},       {"args", call.args},
          {"kwargs", call.kwargs},   {"options", std::move(options)},
          {"subtask_type", nullptr}, {"immutable", call.immutable}};
}

CallData call_from_signature(const json::object& signature) {
  CallData call;
  call.task = json::value_to<std::string>(signature.at("task"));
  if (const json::value* args = signature.if_contains("args"); args != nullptr && !args->is_null())
    call.args = args->as_array();
  if (const json::value* kwargs = signature.if_contains("kwargs"); kwargs != nullptr && !kwargs->is_null())
    call.kwargs = kwargs->as_object();
  if (const json::value* immutable = signature.if_contains("immutable");
      immutable != nullptr && immutable->is_bool())
    call.immutable = immutable->get_bool();
  const json::value* given = signature.if_contains("options");
  if (given == nullptr || !given->is_object()) return call;
  const json::object& options = given->get_object();
  const auto text = [&](std::string_view name) {
    const json::value* value = options.if_contains(name);
    return value != nullptr && value->is_string() ? json::value_to<std::string>(*value) : std::string();
  };
  const auto number = [&](std::string_view name) {
    const json::value* value = options.if_contains(name);
    return value == nullptr ? std::nullopt : number_of(*value);
  };
  call.id = text("task_id");
  call.queue = text("queue");
  if (call.queue.empty()) call.queue = text("routing_key");
  if (const auto priority = number("priority")) call.priority = static_cast<std::uint8_t>(*priority);
  if (const auto soft = number("soft_time_limit")) call.soft_limit = milliseconds(*soft);
  if (const auto hard = number("time_limit")) call.hard_limit = milliseconds(*hard);
  call.eta = time_from(text("eta"));
  if (const auto countdown = number("countdown"))
    call.eta = std::chrono::system_clock::now() + milliseconds(*countdown);
  call.expires = time_from(text("expires"));
  if (const auto expires = number("expires"))
    call.expires = std::chrono::system_clock::now() + milliseconds(*expires);
  call.group = text("group_id");
  if (const auto index = number("group_index")) call.group_index = static_cast<std::int64_t>(*index);
  if (const json::value* barrier = options.if_contains(kBarrier)) call.barrier = *barrier;
  call.on_success = calls_in(options, "link");
  call.on_failure = calls_in(options, "link_error");
  return call;
}

}  // namespace millrace::tasks
