// Submits calls and receives their results.
#pragma once

#include <boost/json.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "millrace/client.hpp"
#include "millrace/tasks/call.hpp"
#include "millrace/tasks/canvas.hpp"
#include "millrace/tasks/dag.hpp"
#include "millrace/tasks/result.hpp"

namespace millrace::tasks {

class ProducerOptions {
 public:
  ProducerOptions() = default;

  std::string queue = "celery";  // of calls that name none
  // Declared durable and with these arguments, as the workers declare it; false: it is there.
  bool declare_queue = true;
  FieldTable queue_arguments;
  // Results survive a restart of the broker. They cost a write each.
  bool durable_results = false;
  // task-sent events, for monitors such as Flower.
  bool events = false;
};

namespace detail {

class ProducerCore;

using UntypedResult = std::shared_ptr<ResultState>;
// `result` is there until `done` is told, and is set before.
void start_submit(ProducerCore& core, CallData&& call, UntypedResult& result,
                  millrace::detail::Completion<> done);
UntypedResult submit(ProducerCore& core, CallData call);
// In the order of the calls, many of them under way at once.
std::vector<UntypedResult> submit_group(ProducerCore& core, std::vector<CallData> calls);
void start_submit_group(ProducerCore& core, std::vector<CallData> calls,
                        millrace::detail::Completion<std::vector<UntypedResult>> done);
void schedule(ProducerCore& core, const std::string& name, const std::string& cron, CallData call);
void start_submit_chord(ProducerCore& core, std::vector<CallData> group, CallData last,
                        millrace::detail::Completion<UntypedResult> done);
UntypedResult submit_chord(ProducerCore& core, std::vector<CallData> group, CallData last);
void start_submit_dag(ProducerCore& core, const Dag& dag, millrace::detail::Completion<UntypedResult> done);
UntypedResult submit_dag(ProducerCore& core, const Dag& dag);
// Kept results.
void ask(ProducerCore& core, std::string id, Milliseconds timeout,
         millrace::detail::Completion<boost::json::value> done);
boost::json::value ask(ProducerCore& core, const std::string& id, Milliseconds timeout);
const Executor& executor(const ProducerCore& core);

template <class R>
void start_submit_typed(ProducerCore& core, CallData&& call, millrace::detail::Completion<Result<R>> done) {
  UntypedResult& result = untyped(std::get<0>(done.results()));
  start_submit(core, std::move(call), result, std::move(done).without_results());
}

template <class R>
GroupResult<R> typed_group(std::vector<UntypedResult> all) {
  GroupResult<R> results;
  for (UntypedResult& one : all) results.add(Result<R>(std::move(one)));
  return results;
}

template <class R>
void start_submit_typed_group(ProducerCore& core, Group<R> group,
                              millrace::detail::Completion<GroupResult<R>> done) {
  start_submit_group(
      core, std::move(group.calls),
      millrace::detail::forward_to<std::vector<UntypedResult>>(std::move(done), &typed_group<R>));
}

template <class R>
void start_submit_typed_chord(ProducerCore& core, Chord<R> chord,
                              millrace::detail::Completion<Result<R>> done) {
  const auto typed = [](UntypedResult state) { return Result<R>(std::move(state)); };
  start_submit_chord(core, std::move(chord.calls), std::move(chord.last),
                     millrace::detail::forward_to<UntypedResult>(std::move(done), typed));
}

inline void start_submit_json_dag(ProducerCore& core, const Dag& dag,
                                  millrace::detail::Completion<Result<boost::json::value>> done) {
  const auto typed = [](UntypedResult state) { return Result<boost::json::value>(std::move(state)); };
  start_submit_dag(core, dag, millrace::detail::forward_to<UntypedResult>(std::move(done), typed));
}

template <class R>
void start_ask(ProducerCore& core, std::string id, Milliseconds timeout,
               millrace::detail::Completion<R> done) {
  ask(core, std::move(id), timeout,
      millrace::detail::forward_to<boost::json::value>(std::move(done), &convert<R>));
}

inline void start_ask_nothing(ProducerCore& core, std::string id, Milliseconds timeout,
                              millrace::detail::Completion<> done) {
  ask(core, std::move(id), timeout,
      millrace::detail::forward_to<boost::json::value>(std::move(done), &convert<void>));
}

}  // namespace detail

// Usable from any thread. What was submitted stays submitted when the producer goes; only its results have
// nobody to go to.
class Producer {
 public:
  // With a connection of its own ...
  explicit Producer(ClientOptions client = {}, ProducerOptions options = ProducerOptions());
  // ... or with the program's, which has to outlive it.
  explicit Producer(Client& client, ProducerOptions options = ProducerOptions());
  ~Producer();
  Producer(const Producer&) = delete;
  Producer& operator=(const Producer&) = delete;

  // Returns when the broker has confirmed the call: from then on it is carried out at least once, whatever
  // dies. Throws what Client::publish throws; not_supported for a delay or a unique key where the broker
  // cannot hold such calls.
  template <class R>
  Result<R> submit(Call<R> call) {
    return Result<R>(detail::submit(*core_, std::move(call.data())));
  }
  Result<boost::json::value> submit(CallData call) {
    return Result<boost::json::value>(detail::submit(*core_, std::move(call)));
  }
  template <class R, class Token = DefaultToken>
  auto async_submit(Call<R> call, Token&& token = Token()) {
    return boost::asio::async_initiate<Token, void(std::exception_ptr, Result<R>)>(
        millrace::detail::Initiation<detail::ProducerCore, &detail::start_submit_typed<R>, Result<R>>(
            core_, detail::executor(*core_)),
        token, std::move(call.data()));
  }

  // Calls at the same time; the results in the order of the calls. When one cannot be submitted this throws,
  // and those that were submitted are carried out. A caller who cancels is told ErrorKind::cancelled at once;
  // those that are on their way are carried out, no further one is submitted. So it is with chords and dags.
  template <class R>
  GroupResult<R> submit(Group<R> group) {
    return detail::typed_group<R>(detail::submit_group(*core_, std::move(group.calls)));
  }
  template <class R, class Token = DefaultToken>
  auto async_submit(Group<R> group, Token&& token = Token()) {
    return boost::asio::async_initiate<Token, void(std::exception_ptr, GroupResult<R>)>(
        millrace::detail::Initiation<detail::ProducerCore, &detail::start_submit_typed_group<R>,
                                     GroupResult<R>>(core_, detail::executor(*core_)),
        token, std::move(group));
  }
  // The result is that of the last call, which begins when all of the group have succeeded. Needs workers of
  // this library for the group.
  template <class R>
  Result<R> submit(Chord<R> chord) {
    return Result<R>(detail::submit_chord(*core_, std::move(chord.calls), std::move(chord.last)));
  }
  template <class R, class Token = DefaultToken>
  auto async_submit(Chord<R> chord, Token&& token = Token()) {
    return boost::asio::async_initiate<Token, void(std::exception_ptr, Result<R>)>(
        millrace::detail::Initiation<detail::ProducerCore, &detail::start_submit_typed_chord<R>, Result<R>>(
            core_, detail::executor(*core_)),
        token, std::move(chord));
  }

  // See Dag. The result is an object with the results of the steps by their names; a TaskFailed of the type
  // "DagError" says which step failed and what was undone. Throws std::invalid_argument for what is no dag.
  Result<boost::json::value> submit(const Dag& dag) {
    return Result<boost::json::value>(detail::submit_dag(*core_, dag));
  }
  template <class Token = DefaultToken>
  auto async_submit(Dag dag, Token&& token = Token()) {
    using DagResult = Result<boost::json::value>;
    return boost::asio::async_initiate<Token, void(std::exception_ptr, DagResult)>(
        millrace::detail::Initiation<detail::ProducerCore, &detail::start_submit_json_dag, DagResult>(
            core_, detail::executor(*core_)),
        token, std::move(dag));
  }

  // The result of a call that was submitted with keep_result, by whomever, here or elsewhere: it stays there
  // for others. Waits that long for its end, and for nothing else without a time. Throws TaskFailed as
  // Result::get does; timed_out when it has not ended; not_found at once when none is kept: it was submitted
  // without keep_result, its time is over, or there is no such call. To ask keeps it for its time anew. Who
  // waits is told by the broker when the call ends (docs/tasks.md); any number may wait, for as many calls.
  template <class R>
  R result_of(const std::string& id, Milliseconds timeout = {}) {
    return detail::convert<R>(detail::ask(*core_, id, timeout));
  }
  template <class R, class Token = DefaultToken>
  auto async_result_of(std::string id, Milliseconds timeout = {}, Token&& token = Token()) {
    using millrace::detail::Initiation;
    const Executor& executor = detail::executor(*core_);
    if constexpr (std::is_void_v<R>) {
      return boost::asio::async_initiate<Token, void(std::exception_ptr)>(
          Initiation<detail::ProducerCore, &detail::start_ask_nothing>(core_, executor), token, std::move(id),
          timeout);
    } else {
      return boost::asio::async_initiate<Token, void(std::exception_ptr, R)>(
          Initiation<detail::ProducerCore, &detail::start_ask<R>, R>(core_, executor), token, std::move(id),
          timeout);
    }
  }

  // Has the call submitted again and again, at the times that `cron` says ("0 3 * * 1-5", in UTC): the broker
  // holds the schedule, and any worker of the call's queue carries it on, so no process has to stay alive for
  // it. Under a name that is there already it takes the place of the old one. A time at which no worker was
  // there is late, and those after it that have passed too are left out. Throws std::invalid_argument for
  // what is no schedule.
  template <class R>
  void schedule(const std::string& name, const std::string& cron, Call<R> call) {
    detail::schedule(*core_, name, cron, std::move(call.data()));
  }
  void unschedule(const std::string& name);

  // By id alone, also for calls of others. See Result::cancel.
  void cancel(const std::string& id, bool running_too = true);

 private:
  std::unique_ptr<Client> own_client_;
  std::shared_ptr<detail::ProducerCore> core_;
};

}  // namespace millrace::tasks
