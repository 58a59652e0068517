#include "client/tasks/dag.hpp"

#include <utility>
#include <vector>

#include "client/tasks/json_message.hpp"
#include "client/tasks/kept_state.hpp"
#include "client/tasks/outgoing.hpp"
#include "client/tasks/result_message.hpp"
#include "client/tasks/task_message.hpp"
#include "millrace/tasks/errors.hpp"

namespace millrace::tasks {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

// Two steps that end at once meet here: the other one has the state for some milliseconds.
constexpr int kLooks = 20;
constexpr std::chrono::milliseconds kBetweenLooks{10};

struct Taken {
  std::vector<Delivery> deliveries;  // given back when they go
  json::object state;                // the newest
};

Taken take_newest(Client& client, const std::string& queue) {
  Taken taken;
  std::int64_t newest = -1;
  int looks = 1;
  taken.deliveries = take_state(
      client, queue, kBetweenLooks, [&] { return looks++ < kLooks; },
      [&](json::value kept) {
        json::object& state = kept.as_object();
        const auto version = state.at("version").to_number<std::int64_t>();
        if (version <= newest) return;
        newest = version;
        taken.state = std::move(state);
      });
  if (taken.deliveries.empty()) throw Retry("another step of the dag is taken into account", 200ms);
  return taken;
}

void publish_result(Client& client, const json::object& state, const Status& status) {
  const std::string reply_to = json::value_to<std::string>(state.at("reply_to"));
  if (reply_to.empty()) return;
  Request request;
  request.call.id = json::value_to<std::string>(state.at("id"));
  request.correlation_id = request.call.id;
  request.durable_result = state.at("durable_result").as_bool();
  client.publish(Address(reply_to), encode_result(request, status, {}));
}

}  // namespace

// A dag of which no step ends is forgotten after that week.
QueueSpec dag_queue(const std::string& id) {
  return queue_for_a_week("millrace.dag." + id);
}

void run_advance(Client& client, Places& places, const CallData& call, const std::string& origin) {
  const std::string queue = dag_queue(dag_of(call)).name;
  try {
    Taken taken = take_newest(client, queue);
    const DagMoves moves = advance(taken.state, event_of(call));
    if (!moves.changed) return;
    for (const CallData& next : moves.calls) {
      Outgoing out = outgoing(next, "", origin);
      places.ensure(out.need, out.queue);
      client.publish(out.to, std::move(out.message));
    }
    if (moves.ended)
      publish_result(client, taken.state, moves.status);
    else
      client.publish(queue, json_message(taken.state));
    for (Delivery& delivery : taken.deliveries) delivery.ack();
    if (moves.ended) client.delete_queue(queue);
  } catch (const ClientError& error) {
    if (error.kind() != ErrorKind::not_found) throw;
    // It has ended: this is an end that was told twice.
  }
}

}  // namespace millrace::tasks
