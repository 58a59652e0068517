#include "client/tasks/task_message.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <stdexcept>

#include "client/src/fields.hpp"
#include "client/tasks/barrier.hpp"
#include "client/tasks/dead_letter.hpp"
#include "client/tasks/identity.hpp"
#include "client/tasks/received_task.hpp"
#include "client/tasks/recycled_json.hpp"
#include "client/tasks/time_text.hpp"
#include "codec/amqp091/table_builder.hpp"
#include "millrace/json.hpp"

namespace millrace::tasks {
namespace {

namespace json = boost::json;
namespace amqp = millrace::amqp091;

constexpr std::string_view kJson = "application/json";
constexpr std::string_view kUtf8 = "utf-8";

// By which the broker ranks it.
constexpr const char* kKey = "x-key";
constexpr const char* kSize = "x-size";
constexpr const char* kDeadline = "x-deadline";

double seconds(Milliseconds time) {
  return static_cast<double>(time.count()) / 1000;
}

// Longer times are as good as never, and would not fit the clock; neither would later ones, after 2198.
constexpr std::int64_t kLongestMs = 100LL * 365 * 24 * 3'600'000;
constexpr std::int64_t kLatestMs = 7'200'000'000'000;

// Others may have written any number. What is below zero, or none, is zero.
std::int64_t whole(double value, std::int64_t most) {
  return value > 0 ? static_cast<std::int64_t>(std::min(value, static_cast<double>(most))) : 0;
}

Milliseconds milliseconds(double seconds) {
  return Milliseconds(whole(seconds * 1000 + 0.5, kLongestMs));
}

std::int64_t since_1970(WallTime time) {
  return std::chrono::floor<Milliseconds>(time.time_since_epoch()).count();
}

// Null or a number: a limit, an index.
std::optional<double> number_of(const json::value& value) {
  if (value.is_int64()) return static_cast<double>(value.get_int64());
  if (value.is_uint64()) return static_cast<double>(value.get_uint64());
  if (value.is_double()) return value.get_double();
  return std::nullopt;
}

std::optional<double> number_of(const amqp::ValueView& field) {
  if (const auto whole = field.as_integer()) return static_cast<double>(*whole);
  return field.as_double();
}

json::array signatures_of(const std::vector<CallData>& calls, const std::string& reply_to) {
  json::array list;
  for (const CallData& call : calls) list.push_back(signature_of(call, reply_to));
  return list;
}

std::string_view text_header(const ReceivedTask& message, std::string_view name) {
  const auto field = message.header(name);
  return field ? field->as_text().value_or("") : std::string_view();
}

std::int64_t whole_header(const ReceivedTask& message, std::string_view name, std::int64_t otherwise) {
  const auto field = message.header(name);
  return field ? field->as_integer().value_or(otherwise) : otherwise;
}

bool flag_header(const ReceivedTask& message, std::string_view name) {
  const auto field = message.header(name);
  return field && field->as_bool().value_or(false);
}

// A time that is there has to be one: a task must not run early because its eta was not understood.
std::optional<WallTime> time_header(const ReceivedTask& message, std::string_view name) {
  const std::string_view text = text_header(message, name);
  if (text.empty()) return std::nullopt;
  const auto time = time_from(text);
  if (!time)
    throw std::invalid_argument("the header " + std::string(name) + " is no time: " + std::string(text));
  return time;
}

// In Celery's signatures what is to become headers of the message has a place of its own.
json::object headers_of(const CallData& call) {
  json::object headers;
  if (!call.key.empty()) headers[kKey] = call.key;
  if (call.estimate.count() > 0) headers[kSize] = call.estimate.count();
  if (call.deadline) headers[kDeadline] = since_1970(*call.deadline);
  if (call.keep_result_for.count() > 0) headers[kKeepResult] = call.keep_result_for.count();
  return headers;
}

void read_headers_of(const json::object& headers, CallData& call) {
  const auto number = [&](const char* name) {
    const json::value* value = headers.if_contains(name);
    return value == nullptr ? std::nullopt : number_of(*value);
  };
  const json::value* key = headers.if_contains(kKey);
  if (key != nullptr && key->is_string()) call.key = json::value_to<std::string>(*key);
  if (const auto size = number(kSize)) call.estimate = Milliseconds(whole(*size, kLongestMs));
  if (const auto deadline = number(kDeadline))
    call.deadline = WallTime(Milliseconds(whole(*deadline, kLatestMs)));
  if (const auto kept = number(kKeepResult)) call.keep_result_for = Milliseconds(whole(*kept, kLongestMs));
}

// Throws for what is none: whoever meets it later could not say so.
json::value checked_barrier(json::value barrier) {
  (void)call_from_signature(read_barrier(barrier).last);
  return barrier;
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

void read_limits(const ReceivedTask& message, CallData& call) {
  const auto field = message.header("timelimit");
  const auto list = field ? field->as_array() : std::nullopt;
  if (!list) return;
  std::array<std::optional<double>, 2> limits;
  std::size_t count = 0;
  for (const amqp::ValueView& one : *list) {
    if (count < limits.size()) limits[count] = number_of(one);
    ++count;
  }
  if (count != limits.size()) return;
  // Celery's document says (soft, hard); its code writes and reads (hard, soft).
  if (limits[0]) call.hard_limit = milliseconds(*limits[0]);
  if (limits[1]) call.soft_limit = milliseconds(*limits[1]);
}

void read_headers(const ReceivedTask& message, Request& request) {
  CallData& call = request.call;
  call.task = text_header(message, "task");
  call.id = text_header(message, "id");
  if (call.task.empty() || call.id.empty())
    throw std::invalid_argument("it has no header 'task' or 'id': not a task of message protocol 2");
  const std::string_view root_id = text_header(message, "root_id");
  if (root_id != call.id) call.root_id = root_id;
  call.parent_id = text_header(message, "parent_id");
  call.group = text_header(message, "group");
  call.group_index = whole_header(message, "group_index", -1);
  call.eta = time_header(message, "eta");
  call.expires = time_header(message, "expires");
  call.ignore_result = flag_header(message, "ignore_result");
  call.keep_result_for =
      Milliseconds(std::clamp<std::int64_t>(whole_header(message, kKeepResult, 0), 0, kLongestMs));
  call.priority = message.priority;
  const std::string_view barrier = text_header(message, kBarrier);
  if (!barrier.empty()) call.barrier = checked_barrier(parse_json(barrier));
  read_limits(message, call);
  request.reply_to = message.reply_to;
  if (message.correlation_id != call.id) request.correlation_id = message.correlation_id;
  request.retries = whole_header(message, "retries", 0);
  request.deaths = whole_header(message, kDeaths, 0);
  request.durable_result = flag_header(message, kDurableResult);
  request.paced = flag_header(message, kPaced);
  // A dead letter that somebody moved back begins anew: what was before its death is over. Its death makes
  // it another message than the one that died.
  const std::string_view died = text_header(message, kDeadTime);
  if (!died.empty()) {
    request.retries = request.deaths = 0;
    request.paced = false;
    call.eta.reset();
    call.expires.reset();
  }
  request.has_message_id = !message.message_id.empty() || !died.empty();
  request.key.append(call.id).append(":").append(std::to_string(request.retries)).append(":");
  request.key.append(message.message_id);
  if (!died.empty()) request.key.append("after ").append(died);
  request.args_text = text_header(message, "argsrepr");
  request.kwargs_text = text_header(message, "kwargsrepr");
}

// Larger ones are moved out of the parser's memory rather than copied.
constexpr std::size_t kSmallBody = 4096;

// An assignment would keep the storage of what was there.
template <class T>
void replace(T& old, T by) noexcept {
  std::destroy_at(&old);
  std::construct_at(&old, std::move(by));
}

void take_parts(json::value body, const json::storage_ptr& storage, CallData& call) {
  json::array& parts = body.as_array();
  if (parts.size() != 3) throw std::invalid_argument("its body is no list of three");
  replace(call.args, json::array(std::move(parts[0].as_array()), storage));
  replace(call.kwargs, json::object(std::move(parts[1].as_object()), storage));
  if (!parts[2].is_object()) return;
  json::object& embedded = parts[2].get_object();
  call.on_success = calls_in(embedded, "callbacks");
  call.on_failure = calls_in(embedded, "errbacks");
  // Celery takes them off the end.
  const std::vector<CallData> chain = calls_in(embedded, "chain");
  call.next.assign(chain.rbegin(), chain.rend());
  if (json::value* chord = embedded.if_contains("chord")) call.chord = std::move(*chord);
}

void read_body(const ReceivedTask& message, CallData& call) {
  if (message.content_type != kJson)
    throw std::invalid_argument("its body is '" + std::string(message.content_type) +
                                "', and only application/json is read");
  if (message.body.size() > kSmallBody) return take_parts(parse_json(message.body), {}, call);
  std::array<unsigned char, 2 * kSmallBody> memory;
  json::monotonic_resource resource(memory.data(), memory.size());
  take_parts(parse_json(message.body, &resource), recycled_json(), call);
}

void append_python(std::string& out, const json::value& value, std::size_t longest);

void append_python(std::string& out, const json::array& list, std::size_t longest) {
  out += '[';
  const char* separator = "";
  for (const json::value& one : list) {
    out += separator;
    append_python(out, one, longest);
    separator = ", ";
  }
  out += ']';
}

void append_python(std::string& out, const json::object& dictionary, std::size_t longest) {
  out += '{';
  const char* separator = "";
  for (const auto& [name, one] : dictionary) {
    out += separator;
    out += '\'';
    out.append(name.data(), name.size());
    out += "': ";
    append_python(out, one, longest);
    separator = ", ";
  }
  out += '}';
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
    case json::kind::array:
      append_python(out, value.get_array(), longest);
      break;
    case json::kind::object:
      append_python(out, value.get_object(), longest);
      break;
    case json::kind::int64:
      out += std::to_string(value.get_int64());
      break;
    case json::kind::uint64:
      out += std::to_string(value.get_uint64());
      break;
    case json::kind::double_:
      out += json::serialize(value);
      break;
  }
}

std::string python_text_of(const auto& value, std::size_t longest) {
  std::string text;
  append_python(text, value, longest);
  if (text.size() <= longest) return text;
  text.resize(longest);
  return text + "...";
}

}  // namespace

std::string python_text(const json::value& value, std::size_t longest) {
  return python_text_of(value, longest);
}
std::string python_text(const json::array& list, std::size_t longest) {
  return python_text_of(list, longest);
}
std::string python_text(const json::object& dictionary, std::size_t longest) {
  return python_text_of(dictionary, longest);
}

namespace {

// Where headers go: into the table of a Message, or straight to the wire.
struct TableHeaders {
  FieldTable& table;
  void text(const char* name, std::string_view value) const { table[name] = value; }
  void whole(const char* name, std::int64_t value) const { table[name] = value; }
  void flag(const char* name, bool value) const { table[name] = value; }
  void limits(const char* name, Milliseconds first, Milliseconds second) const {
    const auto limit = [](Milliseconds time) { return time.count() > 0 ? Field(seconds(time)) : Field(); };
    table[name] = FieldList{limit(first), limit(second)};
  }
};

struct WireHeaders {
  amqp::TableBuilder& table;
  void text(const char* name, std::string_view value) const { table.put_text(name, value); }
  void whole(const char* name, std::int64_t value) const {
    if (value == static_cast<std::int32_t>(value))
      table.put_int(name, static_cast<std::int32_t>(value));
    else
      table.put_long(name, value);
  }
  void flag(const char* name, bool value) const { table.put_bool(name, value); }
  void limits(const char* name, Milliseconds first, Milliseconds second) const {
    table.begin_array(name);
    for (const Milliseconds time : {first, second}) {
      if (time.count() > 0)
        table.put_double(seconds(time));
      else
        table.put_raw('V', {});
    }
    table.end_array();
  }
};

template <class Headers>
void write_rank(const CallData& call, Headers headers) {
  if (!call.key.empty()) headers.text(kKey, call.key);
  if (call.estimate.count() > 0) headers.whole(kSize, call.estimate.count());
  const auto& deadline = call.deadline ? call.deadline : call.expires;
  if (deadline) headers.whole(kDeadline, since_1970(*deadline));
}

template <class Headers>
void write_headers(const CallData& call, const std::string& origin, Headers headers) {
  headers.text("lang", "cpp");
  headers.text("task", call.task);
  headers.text("id", call.id);
  headers.text("root_id", root_of(call));
  if (!call.parent_id.empty()) headers.text("parent_id", call.parent_id);
  if (!call.group.empty()) headers.text("group", call.group);
  if (call.group_index >= 0) headers.whole("group_index", call.group_index);
  headers.whole("retries", 0);
  if (call.eta) headers.text("eta", to_text(*call.eta));
  if (call.expires) headers.text("expires", to_text(*call.expires));
  if (call.hard_limit.count() > 0 || call.soft_limit.count() > 0)
    headers.limits("timelimit", call.hard_limit, call.soft_limit);
  std::string args = python_text(call.args);
  args.front() = '(';
  if (args.back() == ']') args.back() = ')';
  headers.text("argsrepr", args);
  headers.text("kwargsrepr", python_text(call.kwargs));
  headers.text("origin", origin);
  if (call.ignore_result) headers.flag("ignore_result", true);
  if (call.keep_result_for.count() > 0) headers.whole(kKeepResult, call.keep_result_for.count());
  if (!call.barrier.is_null()) headers.text(kBarrier, json::serialize(call.barrier));
  write_rank(call, headers);
}

// What most calls have nothing in.
bool append_nothing(const json::value& value, auto& out) {
  if (value.is_null()) out.append(std::string_view("null"));
  return value.is_null();
}
bool append_nothing(const json::object& object, auto& out) {
  if (object.empty()) out.append(std::string_view("{}"));
  return object.empty();
}
bool append_nothing(const json::array& array, auto& out) {
  if (array.empty()) out.append(std::string_view("[]"));
  return array.empty();
}

template <class Out>
void append_json(Out& out, const auto& value) {
  if (append_nothing(value, out)) return;
  thread_local json::serializer serializer;  // kept for its memory
  serializer.reset(&value);
  std::array<char, 1024> part;
  while (!serializer.done()) {
    const json::string_view text = serializer.read(part.data(), part.size());
    out.append(std::string_view(text.data(), text.size()));
  }
}

template <class Out>
void append_calls(Out& out, const std::vector<CallData>& calls, const std::string& reply_to) {
  if (calls.empty())
    out.append(std::string_view("null"));
  else
    append_json(out, signatures_of(calls, reply_to));
}

template <class Out>
void append_body(Out& out, const CallData& call, const std::string& reply_to) {
  out.append(std::string_view("["));
  append_json(out, call.args);
  out.append(std::string_view(","));
  append_json(out, call.kwargs);
  out.append(std::string_view(R"(,{"callbacks":)"));
  append_calls(out, call.on_success, reply_to);
  out.append(std::string_view(R"(,"errbacks":)"));
  append_calls(out, call.on_failure, reply_to);
  out.append(std::string_view(R"(,"chain":)"));
  append_calls(out, std::vector<CallData>(call.next.rbegin(), call.next.rend()), reply_to);
  out.append(std::string_view(R"(,"chord":)"));
  append_json(out, call.chord);
  out.append(std::string_view("}]"));
}

}  // namespace

Message encode_call(const CallData& call, const std::string& reply_to, const std::string& origin) {
  Message message;
  append_body(message.body, call, reply_to);
  message.content_type = kJson;
  message.content_encoding = kUtf8;
  message.correlation_id = call.id;
  message.reply_to = reply_to;
  message.priority = call.priority;
  write_headers(call, origin, TableHeaders{message.headers});
  return message;
}

std::size_t encode_call(const CallData& call, const std::string& reply_to, const std::string& origin,
                        std::string_view message_id, bool durable_result, Buffer& content) {
  thread_local Buffer table;  // kept for its memory
  table.clear();
  amqp::TableBuilder builder(table);
  write_headers(call, origin, WireHeaders{builder});
  if (durable_result) builder.put_bool(kDurableResult, true);
  amqp::Properties fields;
  fields.content_type = kJson;
  fields.content_encoding = kUtf8;
  fields.headers = builder.view();
  fields.delivery_mode = 2;
  if (call.priority != 0) fields.priority = call.priority;
  // Texts longer than AMQP's short ones are refused as those of a Message are.
  const auto set = [](std::optional<std::string_view>& field, std::string_view what, std::string_view text) {
    if (text.empty()) return;
    client::check_short_text(what, text);
    field = text;
  };
  set(fields.correlation_id, "correlation_id", call.id);
  set(fields.reply_to, "reply_to", reply_to);
  set(fields.message_id, "message_id", message_id);
  amqp::write_properties(content, fields);
  const std::size_t properties_bytes = content.size();
  append_body(content, call, reply_to);
  return properties_bytes;
}

std::variant<Request, std::string> decode_call(ByteView properties, std::string_view body) {
  std::variant<Request, std::string> decoded;
  try {
    const ReceivedTask message(properties, body);
    Request& request = std::get<Request>(decoded);
    read_headers(message, request);
    read_body(message, request.call);
  } catch (const std::exception& error) {
    decoded = text_of(error);
  }
  return decoded;
}

std::variant<Request, std::string> decode_call(const Message& message) {
  Buffer properties;
  client::write_message_properties(properties, message);
  return decode_call(properties.view(), message.body);
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
  if (json::object headers = headers_of(call); !headers.empty()) options["headers"] = std::move(headers);
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
  if (const auto priority = number("priority"))
    call.priority = static_cast<std::uint8_t>(whole(*priority, 255));
  if (const auto soft = number("soft_time_limit")) call.soft_limit = milliseconds(*soft);
  if (const auto hard = number("time_limit")) call.hard_limit = milliseconds(*hard);
  call.eta = time_from(text("eta"));
  if (const auto countdown = number("countdown"))
    call.eta = std::chrono::system_clock::now() + milliseconds(*countdown);
  call.expires = time_from(text("expires"));
  if (const auto expires = number("expires"))
    call.expires = std::chrono::system_clock::now() + milliseconds(*expires);
  call.group = text("group_id");
  if (const auto index = number("group_index")) call.group_index = whole(*index, std::int64_t{1} << 53U);
  if (const json::value* barrier = options.if_contains(kBarrier)) call.barrier = checked_barrier(*barrier);
  if (const json::value* headers = options.if_contains("headers"); headers != nullptr && headers->is_object())
    read_headers_of(headers->get_object(), call);
  call.on_success = calls_in(options, "link");
  call.on_failure = calls_in(options, "link_error");
  return call;
}

}  // namespace millrace::tasks
