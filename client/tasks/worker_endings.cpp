// What follows when a task has ended: its result, another attempt, what comes next, a dead letter.
#include <utility>

#include "client/tasks/barrier.hpp"
#include "client/tasks/dag_state.hpp"
#include "client/tasks/dead_letter.hpp"
#include "client/tasks/identity.hpp"
#include "client/tasks/kept_result.hpp"
#include "client/tasks/result_message.hpp"
#include "client/tasks/retry_pause.hpp"
#include "client/tasks/time_text.hpp"
#include "client/tasks/worker_core.hpp"

namespace millrace::tasks::detail {
namespace {

Status status_of(State state, const Outcome& outcome) {
  Status status;
  status.state = state;
  status.name = to_string(state);
  status.error_type = outcome.type;
  status.error_text = outcome.text;
  // Celery shows this to people; a C++ exception knows no more of where it came from.
  if (state != State::revoked) status.traceback = outcome.type + ": " + outcome.text;
  return status;
}

// The message of a call as it was read: without what was over when it came (a death, and times before that),
// and what counts for one attempt.
Message as_read(const Job& job) {
  Message message = job.message();
  forget_death(message);
  for (const char* header : {kDeaths, kPaced}) message.headers.erase(header);
  message.correlation_id = correlation_of(job.request);
  if (!job.request.call.expires) message.headers.erase("expires");
  if (!job.request.call.eta) message.headers.erase("eta");
  return message;
}

}  // namespace

const std::string& WorkerCore::reply_to_of(const Request& request) {
  static const std::string kNobody;
  return is_of_dag(request.call) ? kNobody : request.reply_to;
}

bool WorkerCore::is_answered(const Request& request, State state) {
  if (request.call.ignore_result && state == State::success) return false;
  return !reply_to_of(request).empty();
}

void WorkerCore::finish(const JobPtr& job, const Outcome& outcome) {
  Settling settling = settle(job);
  switch (outcome.kind) {
    case Outcome::Kind::success:
      return succeed(job, outcome, settling);
    case Outcome::Kind::cancelled:
      return revoked(job, outcome, settling);
    case Outcome::Kind::failure:
    case Outcome::Kind::retry:
      if (has_retries_left(*job)) return try_again(job, outcome, settling);
      return fail(job, outcome, settling);
    case Outcome::Kind::reject:
    case Outcome::Kind::bad_arguments:
      return fail(job, outcome, settling);
  }
}

void WorkerCore::keep(const Request& request, const Status& status, Settling& settling,
                      const boost::json::array& children) {
  const CallData& call = request.call;
  if (!is_kept(call) || !is_final(status.state)) return;
  keep_result(*client_, results_, call.id, call.keep_result_for, kept_result(request, status, children),
              settling.wait_for_more());
}

void WorkerCore::send_result(const Request& request, const Status& status, Settling& settling,
                             const boost::json::array& children) {
  keep(request, status, settling, children);
  if (!is_answered(request, status.state)) return;
  settling.send(Address(reply_to_of(request)), encode_result(request, status, children));
}

// The result of a call after which nothing comes any more: not what was to follow it either.
void WorkerCore::send_end(const Request& request, const Status& status, Settling& settling) {
  const CallData& call = request.call;
  send_result(request, status, settling);
  // The caller of a chain waits for its last call, which will not come, and somebody may ask for others that
  // will not: they get this instead.
  for (const CallData& next : call.next) {
    if (&next != &call.next.back() && !is_kept(next)) continue;
    Request unbegun = request;
    unbegun.call.id = next.id;
    unbegun.call.keep_result_for = next.keep_result_for;
    unbegun.correlation_id.clear();
    send_result(unbegun, status, settling);
  }
  // So does the caller of a chord; what arrived of it before expires.
  const boost::json::value& barrier = call.next.empty() ? call.barrier : call.next.back().barrier;
  if (barrier.is_null()) return;
  const Barrier given_up = read_barrier(barrier);
  Request last = request;
  last.call = call_from_signature(given_up.last);
  last.reply_to = given_up.reply_to;
  last.correlation_id.clear();
  Status broken = status;
  broken.state = State::failure;
  broken.name = to_string(State::failure);
  broken.error_type = "ChordError";
  broken.error_text =
      "task " + call.id + " of the chord failed: " + status.error_type + ": " + status.error_text;
  send_result(last, broken, settling);
}

// Something that follows from `parent`: by the queue that it names, else by the one its parent came from.
void WorkerCore::send_call(CallData call, const Request& parent, const std::string& queue,
                           Settling& settling) {
  if (call.id.empty()) call.id = make_id();
  if (call.queue.empty()) call.queue = queue;
  call.root_id = root_of(parent.call);
  call.parent_id = parent.call.id;
  Outgoing out = outgoing(call, reply_to_of(parent), host_);
  if (parent.durable_result) out.message.headers[kDurableResult] = true;
  settling.send(std::move(out));
}

void WorkerCore::succeed(const JobPtr& job, const Outcome& outcome, Settling& settling) {
  const CallData& call = job->request.call;
  boost::json::array children;
  const auto with_result = [&](CallData next) {
    if (!next.immutable) next.args.insert(next.args.begin(), outcome.value);
    if (next.id.empty()) next.id = make_id();
    children.push_back(boost::json::array{boost::json::array{next.id, nullptr}, nullptr});
    return next;
  };
  for (const CallData& callback : call.on_success)
    send_call(with_result(callback), job->request, job->queue, settling);
  if (!call.next.empty()) {
    CallData next = with_result(call.next.front());
    next.next.insert(next.next.end(), call.next.begin() + 1, call.next.end());
    // What fails later in a chain is told to the same ones.
    if (next.on_failure.empty()) next.on_failure = call.on_failure;
    send_call(std::move(next), job->request, job->queue, settling);
  }
  if (!call.barrier.is_null()) arrive(job, outcome.value, settling);
  if (is_answered(job->request, State::success) || is_kept(call)) {
    Status status;
    status.state = State::success;
    status.name = to_string(State::success);
    status.value = outcome.value;
    send_result(job->request, status, settling, children);
  }
  events_->succeeded(job->request, outcome.value, job->started());
}

// At the barrier of its chord; who sees that all have arrived has them joined.
void WorkerCore::arrive(const JobPtr& job, const boost::json::value& result, Settling& settling) {
  const CallData& call = job->request.call;
  const Barrier barrier = read_barrier(call.barrier);
  auto more = settling.wait_for_more();
  auto joined = [self = shared_from_this(), more, value = call.barrier, size = barrier.size,
                 from = job->queue](std::exception_ptr error, const QueueInfo& info) {
    if (millrace::Failure(error).kind() == ErrorKind::not_found) return more(nullptr);  // joined already
    if (error || info.messages < size) return more(error);
    auto out = std::make_shared<Outgoing>(outgoing(join_call(value, from), "", self->host_));
    self->places_->ensure(out->need, out->queue, [self, out, more](std::exception_ptr why) {
      if (why) return more(why);
      self->client_->async_publish(out->to, std::move(out->message),
                                   [more](std::exception_ptr failed, const Receipt&) { more(failed); });
    });
  };
  auto arrived = [self = shared_from_this(), more, queue = barrier.queue, joined](std::exception_ptr error,
                                                                                  const Receipt&) {
    if (millrace::Failure(error).kind() == ErrorKind::unroutable)
      return more(nullptr);  // joined, or given up
    if (error) return more(error);
    self->client_->async_inspect_queue(queue, joined);
  };
  client_->async_publish(Address(barrier.queue), arrival(call.group_index, result), std::move(arrived));
}

bool WorkerCore::has_retries_left(const Job& job) const {
  return job.request.retries < static_cast<std::int64_t>(job.task().options.retries_max);
}

Milliseconds WorkerCore::retry_pause(const Job& job, const Outcome& outcome) {
  if (outcome.after) return *outcome.after;
  const std::lock_guard lock(mutex_);
  return pause_before_retry(job.task().options, job.request.retries, random_);
}

// The same message once more, with one attempt more and not before the pause is over; the broker holds it. It
// keeps the headers of whoever sent it: a queue may rank by them.
void WorkerCore::try_again(const JobPtr& job, const Outcome& outcome, Settling& settling) {
  const Milliseconds pause = retry_pause(*job, outcome);
  Message message = as_read(*job);
  message.headers["retries"] = job->request.retries + 1;
  message.headers["eta"] = to_text(std::chrono::system_clock::now() + pause);
  const std::int64_t deaths = job->request.deaths + (outcome.process_died ? 1 : 0);
  if (deaths > 0) message.headers[kDeaths] = deaths;
  settling.send(outgoing_later(job->queue, std::move(message), pause));
  send_result(job->request, status_of(State::retry, outcome), settling);
  events_->retried(job->request, outcome.type + ": " + outcome.text);
}

void WorkerCore::fail(const JobPtr& job, const Outcome& outcome, Settling& settling) {
  const std::string text = outcome.type + ": " + outcome.text;
  const bool unusable = outcome.kind == Outcome::Kind::reject || outcome.kind == Outcome::Kind::bad_arguments;
  if (unusable || job->task().options.keeps_failed) {
    Message message = as_read(*job);
    message.headers["retries"] = job->request.retries;
    settling.send(Address(dead_queue_of(job->queue)),
                  dead_letter(std::move(message), job->queue, reason_of(outcome), text));
  }
  send_errbacks(job->request, job->queue, text, Errbacks::all, settling);
  const Status status = status_of(State::failure, outcome);
  send_end(job->request, status, settling);
  events_->failed(job->request, text, status.traceback);
}

// Its dead letter is what settles it then.
struct WorkerCore::Buried final : Settled {
  Buried(WorkerCore& core, JobPtr buried) : worker(core), job(std::move(buried)) {}
  void settle(const std::exception_ptr& error) override {
    if (error) return worker.conclude_later(job, error);
    worker.conclude(job, nullptr);
  }
  WorkerCore& worker;  // the Settling's owner
  JobPtr job;
};

// What is told if it can be.
struct WorkerCore::News final : Settled {
  void settle(const std::exception_ptr&) override {}
};

// It is done, and what follows from it cannot be sent: its queue cannot be declared, say. Carried out again
// it would come to the same.
void WorkerCore::cannot_follow(const JobPtr& job, const millrace::Failure& why) {
  Settling settling(shared_from_this(), *client_, *places_, std::make_shared<Buried>(*this, job));
  settling.send(Address(dead_queue_of(job->queue)),
                dead_letter(as_read(*job), job->queue, "cannot_follow", why.text()));
  Settling news(shared_from_this(), *client_, *places_, std::make_shared<News>());
  send_end(job->request, status_of(State::failure, Outcome::failure("Reject", why.text())), news);
}

void WorkerCore::send_errbacks(const Request& request, const std::string& queue, const std::string& why,
                               Errbacks which, Settling& settling) {
  for (CallData errback : request.call.on_failure) {
    const bool is_advance = errback.task == kAdvanceTask;
    if (which == Errbacks::of_dag && !is_advance) continue;
    // Celery's errbacks of old: called with the id of what failed.
    if (!errback.immutable) errback.args.insert(errback.args.begin(), boost::json::value(request.call.id));
    if (is_advance) errback.kwargs["why"] = why;
    send_call(std::move(errback), request, queue, settling);
  }
}

void WorkerCore::revoked(const JobPtr& job, const Outcome& outcome, Settling& settling) {
  send_errbacks(job->request, job->queue, outcome.text, Errbacks::of_dag, settling);
  send_end(job->request, status_of(State::revoked, outcome), settling);
  events_->revoked(job->request, job->has_begun(), outcome.text == "expired");
}

}  // namespace millrace::tasks::detail
