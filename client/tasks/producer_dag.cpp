// Submitting a Dag.
#include <utility>

#include "client/src/blocking.hpp"
#include "client/tasks/dag.hpp"
#include "client/tasks/identity.hpp"
#include "client/tasks/json_message.hpp"
#include "client/tasks/kept_result.hpp"
#include "client/tasks/producer_core.hpp"

namespace millrace::tasks::detail {

// What a producer that dies, or a caller who cancels, leaves behind is either the whole of it, or a state
// that nobody advances, which expires.
void ProducerCore::submit(const Dag& dag, Done done) {
  const DagPlaces places{make_id(), options_.queue, reply_queue_, options_.durable_results};
  boost::json::object state;
  try {
    state = make_dag_state(places, dag);
  } catch (...) {
    return done.later(std::current_exception(), nullptr);
  }
  CallData first = first_advance(places);
  fill_in(first);
  const QueueSpec queue = dag_queue(places.id);
  // Before anything runs: it cannot go on without.
  std::vector<Step> steps{ensuring(Places::Need::unique, places.queue), listening(), declaring(queue)};
  if (dag.keep_result_for.count() > 0) steps.push_back(keeping(places.id, dag.keep_result_for));
  steps.push_back(publishing(queue.name, json_message(state)));
  for (Step& step : sending(first)) steps.push_back(std::move(step));
  std::get<0>(done.results()) = expect(places.id);
  run(std::move(steps), caller_of(std::move(done).without_results()));
}

void start_submit_dag(ProducerCore& core, const Dag& dag, millrace::detail::Completion<UntypedResult> done) {
  core.submit(dag, std::move(done));
}

UntypedResult submit_dag(ProducerCore& core, const Dag& dag) {
  return client::wait_for<UntypedResult>([&](ProducerCore::Done done) { core.submit(dag, std::move(done)); });
}

}  // namespace millrace::tasks::detail
