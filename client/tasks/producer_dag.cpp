// Submitting a Dag.
#include "client/tasks/dag.hpp"
#include "client/tasks/identity.hpp"
#include "client/tasks/json_message.hpp"
#include "client/tasks/producer_core.hpp"

namespace millrace::tasks::detail {

// What a producer that dies leaves behind is either the whole of it, or a state that nobody advances, which
// expires.
UntypedResult ProducerCore::submit(const Dag& dag) {
  const DagPlaces places{make_id(), options_.queue, reply_queue_, options_.durable_results};
  const boost::json::object state = make_dag_state(places, dag);
  places_.ensure(Places::Need::unique, places.queue);  // before anything runs: it cannot go on without
  UntypedResult result = expect(places.id);
  listen_now();
  const QueueSpec queue = dag_queue(places.id);
  client_.declare_queue(queue);
  client_.publish(queue.name, json_message(state));
  submit(first_advance(places));
  return result;
}

UntypedResult submit(ProducerCore& core, const Dag& dag) {
  return core.submit(dag);
}

}  // namespace millrace::tasks::detail
