// Submitting a chord.
#include <utility>

#include "client/src/blocking.hpp"
#include "client/tasks/barrier.hpp"
#include "client/tasks/identity.hpp"
#include "client/tasks/kept_result.hpp"
#include "client/tasks/producer_core.hpp"

namespace millrace::tasks::detail {

// What it cannot be joined without comes before anything runs.
void ProducerCore::submit(std::vector<CallData> group, CallData last, Done done) {
  if (group.empty()) {
    return done.later(
        make_failure(ErrorKind::invalid_argument, "a chord needs at least one call in its group"), nullptr);
  }
  if (last.id.empty()) last.id = make_id();
  if (last.queue.empty()) last.queue = options_.queue;
  const std::string id = make_id();
  const boost::json::value barrier = make_barrier(id, group.size(), last, reply_queue_);
  std::int64_t index = 0;
  for (CallData& call : group) {
    call.group = id;
    // A chain arrives when its last call does.
    CallData& arriving = call.next.empty() ? call : call.next.back();
    arriving.group = id;
    arriving.group_index = index++;
    arriving.barrier = barrier;
  }
  std::get<0>(done.results()) = expect(last.id);
  const auto caller = caller_of(std::move(done).without_results());
  std::vector<Step> steps{ensuring(Places::Need::unique, last.queue), listening(),
                          declaring(barrier_queue(id))};
  if (is_kept(last)) steps.push_back(keeping(last.id, last.keep_result_for));
  steps.push_back([self = shared_from_this(), caller,
                   calls = std::make_shared<std::vector<CallData>>(std::move(group))](Then then) {
    self->submit_each(std::move(*calls), self->left_by([caller] { return caller->is_told(); }),
                      [then = std::move(then)](std::exception_ptr error, const std::vector<UntypedResult>&) {
                        then(std::move(error));
                      });
  });
  run(std::move(steps), caller);
}

void start_submit_chord(ProducerCore& core, std::vector<CallData> group, CallData last,
                        millrace::detail::Completion<UntypedResult> done) {
  core.submit(std::move(group), std::move(last), std::move(done));
}

UntypedResult submit_chord(ProducerCore& core, std::vector<CallData> group, CallData last) {
  return client::wait_for<UntypedResult>(
      [&](ProducerCore::Done done) { core.submit(std::move(group), std::move(last), std::move(done)); });
}

}  // namespace millrace::tasks::detail
