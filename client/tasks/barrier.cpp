#include "client/tasks/barrier.hpp"

#include <map>
#include <utility>
#include <vector>

#include "client/tasks/json_message.hpp"
#include "client/tasks/kept_state.hpp"
#include "client/tasks/outgoing.hpp"
#include "millrace/json.hpp"
#include "millrace/tasks/errors.hpp"

namespace millrace::tasks {
namespace {

namespace json = boost::json;

std::string queue_name(const std::string& id) {
  return "millrace.chord." + id;
}

}  // namespace

// A chord whose group does not come to an end is forgotten after that week.
QueueSpec barrier_queue(const std::string& id) {
  return queue_for_a_week(queue_name(id));
}

json::value make_barrier(const std::string& id, std::size_t size, const CallData& last,
                         const std::string& reply_to) {
  return json::object{
      {"id", id}, {"size", size}, {"last", signature_of(last, reply_to)}, {"reply_to", reply_to}};
}

Barrier read_barrier(const json::value& value) {
  const json::object& object = value.as_object();
  Barrier barrier;
  barrier.id = json::value_to<std::string>(object.at("id"));
  barrier.queue = queue_name(barrier.id);
  barrier.size = object.at("size").to_number<std::size_t>();
  barrier.last = object.at("last").as_object();
  barrier.reply_to = json::value_to<std::string>(object.at("reply_to"));
  return barrier;
}

Message arrival(std::int64_t index, const json::value& result) {
  return json_message(json::object{{"index", index}, {"result", result}});
}

CallData join_call(const json::value& barrier, const std::string& queue) {
  CallData call;
  call.task = kJoinTask;
  call.args.push_back(barrier);
  call.id = "join-" + read_barrier(barrier).id;
  call.queue = queue;
  call.ignore_result = true;
  call.unique_key = call.id;
  return call;
}

std::string join(Client& client, const json::value& value, const std::string& queue,
                 const std::string& origin) {
  const Barrier barrier = read_barrier(value);
  CallData last = call_from_signature(barrier.last);
  std::vector<Delivery> taken;  // given back when this throws
  std::map<std::int64_t, json::value> results;
  try {
    while (Delivery delivery = client.get(barrier.queue)) {
      json::value arrived = parse_json(delivery.body());
      // A call that was carried out twice has arrived twice.
      results.insert_or_assign(arrived.at("index").to_number<std::int64_t>(), arrived.at("result"));
      taken.push_back(std::move(delivery));
    }
  } catch (const ClientError& error) {
    if (error.kind() == ErrorKind::not_found) return last.id;  // it was joined before, up to its very end
    throw;
  }
  if (results.size() < barrier.size) throw Retry("some results of the chord are still to come");
  json::array list;
  for (auto& [index, result] : results) list.push_back(std::move(result));
  if (!last.immutable) last.args.insert(last.args.begin(), std::move(list));
  if (last.queue.empty()) last.queue = queue;
  last.group = barrier.id;
  // If this is done twice, because what follows it was not, the broker lets one pass.
  last.unique_key = "last-" + barrier.id;
  Outgoing out = outgoing(last, barrier.reply_to, origin);
  client.publish(out.to, std::move(out.message));
  for (Delivery& delivery : taken) delivery.ack();
  client.delete_queue(barrier.queue);
  return last.id;
}

}  // namespace millrace::tasks
