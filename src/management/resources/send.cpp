// Publishing for programs: POST …/messages, whose body is the message, and …/messages/batch.
// Not of RabbitMQ's API: its publish (see messages.cpp) takes one message at a time, within JSON.
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "base/base64.hpp"
#include "base/utf8.hpp"
#include "codec/json/parse.hpp"
#include "management/api.hpp"
#include "management/cloud_events.hpp"
#include "management/fields.hpp"
#include "management/message_headers.hpp"
#include "management/message_json.hpp"
#include "management/trace_headers.hpp"

namespace millrace::management {
namespace send {
namespace {

namespace json = boost::json;
using Publication = broker::Management::Publication;

constexpr std::size_t kMaxBatchMessages = 10'000;

// Where the path and the query say that messages go.
Publication address(const Call& call) {
  Publication publication;
  publication.mandatory = true;
  if (const std::string* exchange = call.find_name("exchange")) {
    if (*exchange != "amq.default") publication.exchange = *exchange;
    if (const std::string* key = call.target.find("routing_key")) publication.routing_key = *key;
  } else {
    publication.routing_key = call.name("queue");
  }
  return publication;
}

json::object outcome_item(const result<bool>& outcome) {
  json::object item;
  item["outcome"] = outcome.has_error() ? "refused" : *outcome ? "confirmed" : "returned";
  if (outcome.has_error()) item["reason"] = as_utf8(outcome.error().text);
  return item;
}

void send_one(Api& api, const CallRef& call, Publication publication) {
  api.core().publish(call->subject, call->name("vhost"), call->from, std::move(publication),
                     [call](const result<bool>& outcome) {
                       if (outcome.has_error()) return reply(call, refusal(outcome.error()));
                       if (*outcome) return reply(call, json_answer(outcome_item(outcome)));
                       reply(call, refusal(422, "unroutable", "no queue takes the message"));
                     });
}

void send_all(Api& api, const CallRef& call, std::vector<Publication> publications) {
  if (publications.size() > kMaxBatchMessages) {
    return reply(call, refusal(400, "bad_request",
                               "a batch has at most " + std::to_string(kMaxBatchMessages) + " messages"));
  }
  // They are messages now: the text that they came in is of no further use.
  call->body = {};
  api.core().publish_all(call->subject, call->name("vhost"), call->from, std::move(publications),
                         [call](const result<std::vector<result<bool>>>& outcomes) {
                           if (outcomes.has_error()) return reply(call, refusal(outcomes.error()));
                           std::size_t confirmed = 0, returned = 0, refused = 0;
                           json::array items;
                           for (const result<bool>& outcome : *outcomes) {
                             ++(outcome.has_error() ? refused : *outcome ? confirmed : returned);
                             items.push_back(outcome_item(outcome));
                           }
                           json::object answer;
                           answer["confirmed"] = confirmed;
                           answer["returned"] = returned;
                           answer["refused"] = refused;
                           answer["results"] = std::move(items);
                           reply(call, json_answer(answer));
                         });
}

void put_message(Publication& publication, CloudMessage&& message) {
  publication.properties = std::move(message.properties);
  publication.body = std::move(message.body);
}

// The request's, which is nearer to the message than what the event began with.
void put_trace(const Call& call, Publication& publication) {
  take_trace_headers(call.headers, publication.properties);
  take_trace_of_event(publication.properties);
}

void send_cloud_events(Api& api, const CallRef& call, bool batch) {
  boost::system::error_code malformed;
  const json::value value = codec::parse_json(call->body, malformed);
  if (malformed || value.is_array() != batch) return reply(call, refusal(400, "bad_request", "not_json"));
  std::vector<Publication> publications;
  const auto add = [&](const json::value& event) -> result<void> {
    auto message = message_from_cloud_event(event);
    if (message.has_error()) return message.error();
    Publication& publication = publications.emplace_back(address(*call));
    put_message(publication, std::move(*message));
    put_trace(*call, publication);
    return {};
  };
  if (!batch) {
    if (auto ok = add(value); ok.has_error()) return reply(call, refusal(ok.error()));
    return send_one(api, call, std::move(publications.front()));
  }
  for (const json::value& event : value.get_array()) {
    if (auto ok = add(event); ok.has_error()) {
      return reply(call, refusal(400, "bad_request",
                                 "event " + std::to_string(publications.size()) + ": " + ok.error().text));
    }
  }
  send_all(api, call, std::move(publications));
}

void send(Api& api, const CallRef& call) {
  if (is_media_type(call->content_type(), kCloudEvent)) return send_cloud_events(api, call, false);
  if (is_media_type(call->content_type(), kCloudEventBatch)) return send_cloud_events(api, call, true);
  Publication publication = address(*call);
  auto properties = properties_from_headers(call->headers);
  if (properties.has_error()) return reply(call, refusal(properties.error()));
  publication.properties = std::move(*properties);
  if (auto event = take_cloud_headers(call->headers, publication.properties); event.has_error()) {
    return reply(call, refusal(event.error()));
  }
  put_trace(*call, publication);
  publication.body = std::move(call->body);
  send_one(api, call, std::move(publication));
}

// An item of a batch: RabbitMQ's words of one, most of which may be left out.
result<void> read_item(const json::value& item, bool to_queue, Publication& publication) {
  if (!item.is_object()) return fail(Errc::invalid_argument, "is no object");
  Fields fields(item.get_object());
  if (to_queue && fields.find("routing_key") != nullptr) {
    return fail(Errc::invalid_argument, "a message to a queue has no routing_key");
  }
  if (auto key = fields.optional_text("routing_key")) publication.routing_key = std::move(*key);
  publication.body = fields.text("payload");
  const std::string encoding = fields.optional_text("payload_encoding").value_or("string");
  const json::value* properties = fields.find("properties");
  if (fields.error()) return *fields.error();
  if (properties != nullptr && !properties->is_object()) {
    return fail(Errc::invalid_argument, "'properties' must be an object");
  }
  if (properties != nullptr) {
    Fields inner(properties->get_object());
    publication.properties = properties_from_json(inner);
    if (inner.error()) return *inner.error();
  }
  if (!publication.properties.delivery_mode) publication.properties.delivery_mode = std::uint8_t{2};
  if (encoding == "string") return {};
  if (encoding != "base64") return fail(Errc::invalid_argument, "unsupported_encoding: " + encoding);
  auto decoded = decode_base64(publication.body);
  if (!decoded) return fail(Errc::invalid_argument, "payload is not base64");
  publication.body = std::move(*decoded);
  return {};
}

result<std::vector<Publication>> read_batch(const Call& call) {
  std::vector<Publication> publications;
  const bool to_queue = call.find_name("queue") != nullptr;
  const auto add = [&](const json::value& item) -> result<void> {
    Publication publication = address(call);
    if (auto ok = read_item(item, to_queue, publication); ok.has_error()) {
      return fail(Errc::invalid_argument,
                  "message " + std::to_string(publications.size()) + ": " + ok.error().text);
    }
    put_trace(call, publication);
    publications.push_back(std::move(publication));
    return {};
  };
  boost::system::error_code malformed;
  if (!is_media_type(call.content_type(), "application/x-ndjson")) {
    const json::value items = codec::parse_json(call.body, malformed);
    if (malformed || !items.is_array()) return fail(Errc::invalid_argument, "not_json: an array is expected");
    for (const json::value& item : items.get_array()) {
      if (auto ok = add(item); ok.has_error()) return ok.error();
    }
    return publications;
  }
  for (std::string_view rest = call.body; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const json::value item = codec::parse_json(line, malformed);
    if (malformed) {
      return fail(Errc::invalid_argument, "message " + std::to_string(publications.size()) + ": not_json");
    }
    if (auto ok = add(item); ok.has_error()) return ok.error();
  }
  return publications;
}

// All or none is read; then each has an outcome of its own.
void send_batch(Api& api, const CallRef& call) {
  auto publications = read_batch(*call);
  if (publications.has_error()) return reply(call, refusal(publications.error()));
  send_all(api, call, std::move(*publications));
}

constexpr Route kRoutes[] = {
    {"POST", "/exchanges/:vhost/:exchange/messages", Door::vhost, send, true},
    {"POST", "/exchanges/:vhost/:exchange/messages/batch", Door::vhost, send_batch, true},
    {"POST", "/queues/:vhost/:queue/messages", Door::vhost, send, true},
    {"POST", "/queues/:vhost/:queue/messages/batch", Door::vhost, send_batch, true},
};

}  // namespace
}  // namespace send

std::span<const Route> send_routes() {
  return send::kRoutes;
}

}  // namespace millrace::management
