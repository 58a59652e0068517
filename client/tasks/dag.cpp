#include "client/tasks/dag.hpp"

#include <utility>
#include <vector>

#include "client/tasks/identity.hpp"
#include "client/tasks/json_message.hpp"
#include "client/tasks/json_text.hpp"
#include "client/tasks/kept_result.hpp"
#include "client/tasks/kept_state.hpp"
#include "client/tasks/outgoing.hpp"
#include "client/tasks/remote_control.hpp"
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

// Before a dag that nobody lets go of is not cancelled.
constexpr std::chrono::milliseconds kCancelPatience{3000};
// Of a dag; those of its calls are longer.
constexpr std::size_t kIdSize = 36;

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

// What an earlier version has begun says nothing of it.
Milliseconds keep_result_for(const json::object& state) {
  const json::value* time = state.if_contains("keep_result_for");
  return Milliseconds(time == nullptr ? 0 : time->to_number<std::int64_t>());
}

void publish_result(Client& client, const std::shared_ptr<ResultsExchange>& results,
                    const json::object& state, const Status& status) {
  Request request;
  request.call.id = json::value_to<std::string>(state.at("id"));
  request.durable_result = state.at("durable_result").as_bool();
  const Milliseconds kept_for = keep_result_for(state);
  if (kept_for.count() > 0) {
    wait_until_done([&](Then then) {
      keep_result(client, results, request.call.id, kept_for, kept_result(request, status, {}),
                  std::move(then));
    });
  }
  const std::string reply_to = text_in(state, "reply_to");
  if (reply_to.empty()) return;
  client.publish(Address(reply_to), encode_result(request, status, {}));
}

}  // namespace

// A dag of which no step ends is forgotten after that week.
QueueSpec dag_queue(const std::string& id) {
  return queue_for_a_week("millrace.dag." + id);
}

void run_advance(Client& client, Places& places, const std::shared_ptr<ResultsExchange>& results,
                 const CallData& call, const std::string& origin) {
  const std::string queue = dag_queue(dag_of(call)).name;
  try {
    Taken taken = take_newest(client, queue);
    const DagEvent event = event_of(call);
    const DagMoves moves = advance(taken.state, event);
    for (const std::string& id : moves.revoked) revoke_task(client, id, event.running_too);
    if (!moves.changed) return;
    for (const CallData& next : moves.calls) {
      Outgoing out = outgoing(next, queue_of(taken.state), origin);
      places.ensure(out.need, out.queue);
      client.publish(out.to, std::move(out.message));
    }
    if (moves.ended)
      publish_result(client, results, taken.state, moves.status);
    else
      client.publish(queue, json_message(taken.state));
    for (Delivery& delivery : taken.deliveries) delivery.ack();
    if (moves.ended) client.delete_queue(queue);
  } catch (const ClientError& error) {
    if (error.kind() != ErrorKind::not_found) throw;
    // It has ended: this is an end that was told twice.
  }
}

bool cancel_dag(Client& client, const std::string& id, bool running_too) {
  std::string queue;
  try {
    const auto given_up = std::chrono::steady_clock::now() + kCancelPatience;
    // It stays: what was taken goes back at once.
    take_state(
        client, dag_queue(id).name, kBetweenLooks,
        [&] { return std::chrono::steady_clock::now() < given_up; },
        [&](const json::value& kept) { queue = queue_of(kept.as_object()); });
  } catch (const ClientError& error) {
    const bool is_none = error.kind() == ErrorKind::not_found || error.kind() == ErrorKind::access_refused;
    if (is_none) return false;
    throw;
  }
  if (queue.empty())
    throw ClientError(ErrorKind::overloaded, "steps of the dag " + id + " are taken into account; try again");
  CallData call = cancelling_advance(id, queue, running_too);
  call.id = make_id();
  Outgoing out = outgoing(call, "", "gen@" + host_name());
  client.publish(out.to, std::move(out.message));
  return true;
}

std::optional<StepResult> read_step_result(const Message& message, const std::string& queue) {
  const auto told = decode_result(message);
  if (!told || told->id.size() <= kIdSize) return std::nullopt;
  const Status& status = told->status;
  const bool revoked = status.state == State::revoked;
  StepResult result;
  result.advance = failing_advance(
      told->id, queue, revoked ? status.error_text : status.error_type + ": " + status.error_text);
  if (!result.advance) return std::nullopt;
  if (!revoked && status.state != State::failure) return StepResult();
  result.advance->id = make_id();
  return result;
}

}  // namespace millrace::tasks
