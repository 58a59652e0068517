// What producers share with the results they wait for.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "client/tasks/askings.hpp"
#include "client/tasks/caller.hpp"
#include "client/tasks/outgoing.hpp"
#include "client/tasks/places.hpp"
#include "client/tasks/result_state.hpp"
#include "client/tasks/steps.hpp"
#include "millrace/client.hpp"
#include "millrace/event_loop.hpp"
#include "millrace/tasks/producer.hpp"

namespace millrace::tasks::detail {

class ProducerCore : public std::enable_shared_from_this<ProducerCore> {
 public:
  ProducerCore(Client& client, ProducerOptions options);
  ~ProducerCore();

  using Done = millrace::detail::Completion<UntypedResult>;
  using Ended = millrace::detail::Completion<>;

  // `result` is there until `done` is told.
  void submit(CallData&& call, UntypedResult& result, Ended done);
  UntypedResult submit(CallData call);
  // Each is ready when all of it is confirmed. What cannot be submitted ends it, and so does a caller who
  // cancels; what was submitted by then stays.
  void submit(std::vector<CallData> group, CallData last, Done done);  // a chord
  void submit(const Dag& dag, Done done);
  // The results in the order of the calls.
  void submit_all(std::vector<CallData> calls, millrace::detail::Completion<std::vector<UntypedResult>> done);
  void ask(const std::string& id, Milliseconds timeout, Asking::Done done);
  void schedule(const std::string& name, const std::string& cron, CallData call);
  void unschedule(const std::string& name);
  void revoke(const std::string& id, bool running_too);
  void forget(const std::string& id);
  // Who waits is told; what is under way begins no further step.
  void close();
  // Returns when nothing of it uses the client any more, which is closed, or about to go. On the loop itself,
  // at once.
  void drain();
  const Executor& executor() const noexcept { return client_.executor(); }

 private:
  // What the call leaves open.
  void fill_in(CallData& call) const;
  UntypedResult expect(const std::string& id);
  // Of a call that is to have none.
  UntypedResult expect_nothing(std::string id);
  Outgoing outgoing_of(const CallData& call) const;
  // Ready to be published, when all that it needs is there already.
  std::optional<client::Encoded> encoded_now(const CallData& call);
  // All that it takes for a call that is prepared: what it needs has to be there, then it is published.
  std::vector<Step> sending(const CallData& call);
  Step keeping(const std::string& id, Milliseconds time);
  Step listening();
  Step ensuring(Places::Need need, const std::string& queue);
  Step declaring(QueueSpec queue);
  Step publishing(Address to, Message message);
  using SubmittedAll = std::function<void(std::exception_ptr, std::vector<UntypedResult>)>;
  void submit_each(std::vector<CallData> calls, std::function<bool()> is_given_up, SubmittedAll done);
  // Is told when the producer goes.
  template <class... R>
  std::shared_ptr<Caller<R...>> caller_of(millrace::detail::Completion<R...> done) {
    auto caller = Caller<R...>::of(std::move(done));
    remember(caller);
    return caller;
  }
  void remember(const std::shared_ptr<Waiting>& caller);
  // Whether nobody waits any more.
  std::function<bool()> left_by(std::function<bool()> is_told);
  // The steps, for whoever waits for the end of them all.
  void run(std::vector<Step> steps, const std::shared_ptr<Caller<>>& caller);
  // The reply queue, and a consumer for it.
  void listen(Then then);
  void start_listening();
  void listening_begun(const std::exception_ptr& error);
  void on_result(Delivery delivery);
  void announce(const CallData& call);

  Client& client_;
  const ProducerOptions options_;
  const std::string origin_;
  const std::string reply_queue_;
  // Results are taken in here, so that waiting for one in a callback of the client's is no deadlock.
  std::unique_ptr<EventLoop> loop_ = std::make_unique<EventLoop>(1);
  Places places_;
  Askings askings_;

  std::mutex mutex_;
  std::atomic<bool> listening_{false};
  std::atomic<bool> closed_{false};
  std::vector<Then> waiting_to_listen_;
  Consumer replies_;
  std::unordered_map<std::string, std::weak_ptr<ResultState>> results_;
  std::vector<std::weak_ptr<Waiting>> callers_;
  std::size_t callers_looked_through_at_ = 64;  // those that have ended go when there are so many
};

}  // namespace millrace::tasks::detail
