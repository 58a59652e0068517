// /api/queues/…/move: not of RabbitMQ's API, whose tools get and publish again, and lose what is between.
#include <boost/json/object.hpp>

#include "base/utf8.hpp"
#include "management/fields.hpp"
#include "management/items.hpp"
#include "management/json_values.hpp"

namespace millrace::management {
namespace move {
namespace {

namespace json = boost::json;

// Of one request. Who has more asks again, and sees how far it is.
constexpr std::int64_t kMaxMoved = 10'000;

void move(Api& api, const CallRef& call) {
  auto body = json_body(*call);
  if (body.has_error()) return reply(call, refusal(body.error()));
  Fields fields(*body);
  broker::Management::MoveRequest request;
  request.queue = call->name("name");
  const bool to_origin = fields.flag("to_origin", false);
  request.destination = fields.optional_text("destination");
  const std::int64_t count = fields.number("count", 1000);
  if (auto bad = fields.error()) return reply(call, refusal(*bad));
  const std::string& vhost = call->name("vhost");
  if (api.model().find_queue(vhost, request.queue) == nullptr) return reply(call, nothing_there());
  if (to_origin == request.destination.has_value()) {
    return reply(call, refusal(400, "bad_request", "give either a destination or to_origin"));
  }
  if (request.destination == request.queue) {
    return reply(call, refusal(400, "bad_request", "the destination is the queue itself"));
  }
  if (request.destination && api.model().find_queue(vhost, *request.destination) == nullptr) {
    return reply(call, refusal(404, "not_found", "there is no queue of the destination's name"));
  }
  if (count < 1 || count > kMaxMoved) {
    return reply(call, refusal(400, "bad_request", "count must be from 1 to " + std::to_string(kMaxMoved)));
  }
  request.count = static_cast<std::size_t>(count);
  api.core().move(call->subject, vhost, call->from, std::move(request),
                  [call](result<broker::Management::MoveOutcome> outcome) {
                    if (outcome.has_error()) return reply(call, refusal(outcome.error()));
                    json::object answer;
                    answer["moved"] = outcome->moved;
                    answer["kept"] = outcome->kept;
                    answer["reason"] = as_utf8(outcome->reason);
                    reply(call, json_answer(answer));
                  });
}

constexpr Route kRoutes[] = {
    {"POST", "/queues/:vhost/:name/move", Door::vhost, move},
};

}  // namespace
}  // namespace move

std::span<const Route> move_routes() {
  return move::kRoutes;
}

}  // namespace millrace::management
