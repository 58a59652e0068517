// Publishing, getting, and the test that does both: /api/exchanges/…/publish, /api/queues/…/get,
// /api/aliveness-test
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "base/base64.hpp"
#include "base/utf8.hpp"
#include "management/fields.hpp"
#include "management/items.hpp"
#include "management/message_json.hpp"
#include "management/trace_headers.hpp"

namespace millrace::management {
namespace message {
namespace {

namespace json = boost::json;

// Bodies of one answer together. A longer one is shown in part, by `truncate`, or not at all.
constexpr std::uint64_t kMaxGotBytes = 16u << 20;
constexpr std::int64_t kMaxGotMessages = 10'000;

void publish(Api& api, const CallRef& call) {
  auto body = json_body(*call);
  if (body.has_error()) return reply(call, refusal(body.error()));
  Fields fields(*body);
  broker::Management::Publication publication;
  publication.exchange = call->name("name") == "amq.default" ? "" : call->name("name");
  publication.routing_key = fields.text("routing_key");
  publication.body = fields.text("payload");
  const std::string encoding = fields.text("payload_encoding");
  const json::value* properties = fields.find("properties");
  if (auto bad = fields.error()) return reply(call, refusal(*bad));
  if (properties != nullptr && properties->is_object()) {
    Fields inner(properties->get_object());
    publication.properties = properties_from_json(inner);
    if (auto bad = inner.error()) return reply(call, refusal(*bad));
  }
  take_trace_headers(call->headers, publication.properties);
  if (encoding == "base64") {
    auto decoded = decode_base64(publication.body);
    if (!decoded) return reply(call, refusal(400, "bad_request", "payload is not base64"));
    publication.body = std::move(*decoded);
  } else if (encoding != "string") {
    return reply(call, refusal(400, "bad_request", "unsupported_encoding: " + encoding));
  }
  api.core().publish(call->subject, call->name("vhost"), call->from, std::move(publication),
                     [call](result<bool> routed) {
                       if (routed.has_error()) return reply(call, refusal(routed.error()));
                       json::object answer;
                       answer["routed"] = *routed;
                       reply(call, json_answer(answer));
                     });
}

std::optional<broker::Settlement> settlement_of(std::string_view mode) {
  if (mode == "ack_requeue_true") return broker::Settlement::requeue;
  if (mode == "ack_requeue_false") return broker::Settlement::ack;
  if (mode == "reject_requeue_true") return broker::Settlement::requeue_failed;
  if (mode == "reject_requeue_false") return broker::Settlement::reject;
  return std::nullopt;
}

void get(Api& api, const CallRef& call) {
  auto body = json_body(*call);
  if (body.has_error()) return reply(call, refusal(body.error()));
  Fields fields(*body);
  const std::string encoding = fields.text("encoding");
  if (fields.find("count") == nullptr) (void)fields.text("count");
  const std::int64_t count = fields.number("count", 1);
  const std::int64_t truncate = fields.number("truncate", -1);
  // What came before ack modes: true gives back.
  const bool requeue = fields.flag("requeue", true);
  const auto mode =
      fields.optional_text("ackmode").value_or(requeue ? "ack_requeue_true" : "ack_requeue_false");
  if (auto bad = fields.error()) return reply(call, refusal(*bad));
  if (api.model().find_queue(call->name("vhost"), call->name("name")) == nullptr) {
    return reply(call, nothing_there());
  }
  const auto how = settlement_of(mode);
  if (!how) return reply(call, refusal(400, "bad_request", "unknown ackmode: " + mode));
  if (encoding != "auto" && encoding != "base64") {
    return reply(call, refusal(400, "bad_request", "unsupported_encoding: " + encoding));
  }
  if (count < 0 || count > kMaxGotMessages) {
    return reply(call,
                 refusal(400, "bad_request", "count must be from 0 to " + std::to_string(kMaxGotMessages)));
  }
  broker::Management::TakeRequest request;
  request.queue = call->name("name");
  request.count = static_cast<std::size_t>(count);
  request.bytes_max = kMaxGotBytes;
  if (truncate >= 0) request.body_bytes_shown = static_cast<std::uint64_t>(truncate);
  request.how = *how;
  const std::uint64_t shown = request.body_bytes_shown;
  api.core().take(
      call->subject, call->name("vhost"), call->from, std::move(request),
      [call, shown, base64 = encoding == "base64"](result<std::vector<broker::Management::Taken>> taken) {
        if (taken.has_error()) return reply(call, refusal(taken.error()));
        json::array items;
        for (const auto& one : *taken) {
          json::object item = message_item(one.delivery, one.properties, shown, base64);
          item["message_count"] = one.messages_left;
          items.push_back(std::move(item));
        }
        reply(call, json_answer(items));
      });
}

constexpr std::string_view kQueue = "aliveness-test";

// Declares a queue, publishes to it and gets the message back, as RabbitMQ's.
void test_alive(Api& api, const CallRef& call) {
  const auto fine = [call](const result<void>& outcome) {
    if (outcome.has_error()) return reply(call, refusal(outcome.error()));
    json::object answer;
    answer["status"] = "ok";
    reply(call, json_answer(answer));
  };
  const auto take = [&api, call, fine](result<bool> routed) {
    if (routed.has_error()) return fine(routed.error());
    broker::Management::TakeRequest request{std::string(kQueue), 1, kMaxGotBytes, 0, broker::Settlement::ack};
    api.core().take(call->subject, call->name("vhost"), call->from, std::move(request),
                    [fine](result<std::vector<broker::Management::Taken>> taken) {
                      if (taken.has_error()) return fine(taken.error());
                      fine({});
                    });
  };
  use_as(
      api, call,
      [](broker::Connection& connection, Done<void> finished) {
        broker::QueueDeclare declare;
        declare.name = kQueue;
        connection.declare_queue(
            declare, [finished = std::move(finished)](result<broker::QueueStatus> status) mutable {
              if (status.has_error()) return finished(status.error());
              finished({});
            });
      },
      [&api, take](const CallRef& declared) {
        broker::Management::Publication publication{"", std::string(kQueue), {}, "test_message"};
        api.core().publish(declared->subject, declared->name("vhost"), declared->from, std::move(publication),
                           take);
      });
}

constexpr Route kRoutes[] = {
    {"POST", "/exchanges/:vhost/:name/publish", Door::vhost, publish, true},
    {"POST", "/queues/:vhost/:name/get", Door::vhost, get},
    {"GET", "/aliveness-test/:vhost", Door::vhost, test_alive},
};

}  // namespace
}  // namespace message

std::span<const Route> message_routes() {
  return message::kRoutes;
}

}  // namespace millrace::management
