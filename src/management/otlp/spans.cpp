#include "management/otlp/spans.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "base/hex.hpp"
#include "base/number.hpp"
#include "base/utf8.hpp"
#include "broker/trace_context.hpp"

namespace millrace::management::otlp {
namespace {

namespace json = boost::json;
using broker::TraceEvent;
using broker::TraceStep;

constexpr int kKindInternal = 1;
constexpr int kStatusError = 2;

// What a step becomes; the words of operations are those of the conventions where they have one.
struct Operation {
  std::string_view verb;  // of the span's name
  std::string_view name;  // messaging.operation.name
  std::string_view type;  // messaging.operation.type; empty: the conventions have none
  bool of_exchange = false;
  bool failed = false;
};

std::optional<Operation> operation_of(TraceStep step) noexcept {
  switch (step) {
    case TraceStep::published:
      return Operation{"publish", "publish", "send", true};
    case TraceStep::dead_lettered:
      return Operation{"publish", "dead-letter", "send", true};
    case TraceStep::delivered:
      return Operation{"deliver", "deliver", "receive"};
    case TraceStep::got:
      return Operation{"deliver", "get", "receive"};
    case TraceStep::acknowledged:
      return Operation{"process", "ack", "process"};
    case TraceStep::rejected:
      return Operation{"process", "reject", "process", false, true};
    case TraceStep::requeued:
      return Operation{"process", "requeue", "process", false, true};
    case TraceStep::refused:
      return Operation{"discard", "refuse", "", false, true};
    case TraceStep::expired:
      return Operation{"discard", "expire", "", false, true};
    case TraceStep::dropped:
      return Operation{"discard", "drop", "", false, true};
    case TraceStep::given_up:
      return Operation{"discard", "give up", "", false, true};
    case TraceStep::queued:
      return std::nullopt;
  }
  return std::nullopt;
}

// "127.0.0.1:4711" or "[::1]:4711".
void put_peer(Span& span, std::string_view peer) {
  const std::size_t colon = peer.rfind(':');
  if (colon == std::string_view::npos) return;
  std::string_view host = peer.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  span.attributes.emplace_back("network.peer.address", std::string(host));
  if (const auto port = whole_number<std::uint16_t>(peer.substr(colon + 1))) {
    span.attributes.emplace_back("network.peer.port", std::int64_t{*port});
  }
}

struct ToJson {
  json::value operator()(const std::string& text) const { return {{"stringValue", as_utf8(text)}}; }
  // 64-bit integers are texts (ProtoJSON).
  json::value operator()(std::int64_t number) const { return {{"intValue", std::to_string(number)}}; }
  json::value operator()(bool flag) const { return {{"boolValue", flag}}; }
  json::value operator()(const std::vector<std::string>& texts) const {
    json::array values;
    for (const std::string& text : texts) values.push_back((*this)(text));
    return {{"arrayValue", json::object{{"values", std::move(values)}}}};
  }
};

json::object attribute(std::string_view key, const Span::Value& value) {
  json::object item;
  item["key"] = key;
  item["value"] = std::visit(ToJson(), value);
  return item;
}

bool is_empty(const Span::Value& value) noexcept {
  const auto* text = std::get_if<std::string>(&value);
  return text != nullptr && text->empty();
}

json::object item_of(const Span& span) {
  json::object item;
  item["traceId"] = span.trace_id;
  item["spanId"] = span.span_id;
  item["parentSpanId"] = span.parent_id;
  if (!span.trace_state.empty()) item["traceState"] = as_utf8(span.trace_state);
  item["name"] = as_utf8(span.name);
  item["kind"] = kKindInternal;
  item["startTimeUnixNano"] = std::to_string(span.begin_us) + "000";
  item["endTimeUnixNano"] = std::to_string(span.end_us) + "000";
  json::array attributes;
  for (const auto& [key, value] : span.attributes) {
    if (!is_empty(value)) attributes.push_back(attribute(key, value));
  }
  item["attributes"] = std::move(attributes);
  if (span.failed) item["status"] = json::object{{"code", kStatusError}};
  return item;
}

}  // namespace

std::optional<Span> span_of(TraceEvent&& step, Prng& ids) {
  const auto operation = operation_of(step.step);
  const auto context = broker::TraceContext::parse(step.trace_parent);
  if (!operation || !context) return std::nullopt;
  Span span;
  span.trace_id = context->trace_id;
  span.parent_id = context->parent_id;
  std::uint64_t id = 0;
  while (id == 0) id = ids.next();
  span.span_id = to_hex(id);
  span.trace_state = std::move(step.trace_state);
  const std::string exchange = step.exchange.empty() ? "amq.default" : step.exchange;
  const std::string& destination = operation->of_exchange ? exchange : step.queue;
  span.name = std::string(operation->verb) + " " + destination;
  span.end_us = step.at_us;
  // What was in the queue before the steady clock began may have waited since before 1970.
  const bool is_stay = step.began_us != 0 && step.step != TraceStep::given_up;
  span.begin_us = is_stay ? std::clamp<std::int64_t>(step.began_us, 1, step.at_us) : step.at_us;
  span.failed = operation->failed;

  auto& attributes = span.attributes;
  attributes.emplace_back("messaging.system", std::string("millrace"));
  attributes.emplace_back("messaging.operation.name", std::string(operation->name));
  attributes.emplace_back("messaging.operation.type", std::string(operation->type));
  attributes.emplace_back("messaging.destination.name", destination);
  attributes.emplace_back("messaging.rabbitmq.destination.routing_key", std::move(step.routing_key));
  attributes.emplace_back("messaging.message.id", std::move(step.message_id));
  attributes.emplace_back("messaging.message.conversation_id", std::move(step.correlation_id));
  attributes.emplace_back("messaging.message.body.size", static_cast<std::int64_t>(step.body_bytes));
  attributes.emplace_back("user.name", std::move(step.user));
  put_peer(span, step.peer);
  attributes.emplace_back("millrace.vhost", std::move(step.vhost));
  if (operation->of_exchange) {
    attributes.emplace_back("millrace.queues", std::move(step.targets));
    attributes.emplace_back("millrace.dead_letter.queue", std::move(step.queue));
    return span;
  }
  attributes.emplace_back("millrace.exchange", exchange);
  if (step.seq != 0) attributes.emplace_back("millrace.queue.position", static_cast<std::int64_t>(step.seq));
  if (step.redelivered) attributes.emplace_back("millrace.redelivered", true);
  return span;
}

std::string request_text(std::span<const Span> spans, const Resource& resource) {
  json::array items;
  for (const Span& span : spans) items.push_back(item_of(span));
  json::array of_resource;
  of_resource.push_back(attribute("service.name", std::string("millrace")));
  of_resource.push_back(attribute("service.version", resource.version));
  of_resource.push_back(attribute("service.instance.id", resource.node_name));
  json::object scope;
  scope["scope"] = json::object{{"name", "millrace"}, {"version", resource.version}};
  scope["spans"] = std::move(items);
  json::object request;
  request["resource"] = json::object{{"attributes", std::move(of_resource)}};
  request["scopeSpans"] = json::array{std::move(scope)};
  return json::serialize(json::object{{"resourceSpans", json::array{std::move(request)}}});
}

std::uint64_t rejected_spans(std::string_view answer) {
  boost::system::error_code malformed;
  const json::value value = json::parse(answer, malformed);
  const json::object* object = malformed ? nullptr : value.if_object();
  const json::value* partial = object == nullptr ? nullptr : object->if_contains("partialSuccess");
  if (partial == nullptr || !partial->is_object()) return 0;
  const json::value* rejected = partial->get_object().if_contains("rejectedSpans");
  if (rejected == nullptr) return 0;
  if (rejected->is_string()) return whole_number<std::uint64_t>(rejected->get_string()).value_or(0);
  boost::system::error_code no_number;
  const auto number = rejected->to_number<std::uint64_t>(no_number);
  return no_number ? 0 : number;
}

}  // namespace millrace::management::otlp
