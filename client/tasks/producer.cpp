#include "millrace/tasks/producer.hpp"

#include <unistd.h>

#include <algorithm>
#include <future>
#include <thread>
#include <utility>

#include "client/src/blocking.hpp"
#include "client/tasks/events.hpp"
#include "client/tasks/identity.hpp"
#include "client/tasks/json_message.hpp"
#include "client/tasks/kept_result.hpp"
#include "client/tasks/producer_core.hpp"
#include "client/tasks/result_message.hpp"
#include "client/tasks/schedule.hpp"
#include "client/tasks/task_message.hpp"
#include "millrace/coroutines.hpp"
#include "millrace/detail/recycled.hpp"
#include "millrace/tasks/control.hpp"

namespace millrace::tasks {
namespace detail {
namespace {

// A reply queue outlives its producer by that much: a broken connection must not cost results.
constexpr std::int64_t kReplyQueueMs = 3'600'000;
constexpr std::uint16_t kReplyPrefetch = 1000;

// The caller wants what the last one of a chain returns.
std::string& awaited_of(CallData& call) noexcept {
  return call.next.empty() ? call.id : call.next.back().id;
}

}  // namespace

ProducerCore::ProducerCore(Client& client, ProducerOptions options)
    : client_(client),
      options_(std::move(options)),
      origin_("gen" + std::to_string(getpid()) + "@" + host_name()),
      reply_queue_("millrace.reply." + make_id()),
      places_(client, loop_->executor(), options_.declare_queue, {options_.queue}, options_.queue_arguments),
      askings_(client, *loop_, reply_queue_, [this](Then then) { listen(std::move(then)); }) {
  if (options_.events) client_.async_declare_exchange(event_exchange(), [](std::exception_ptr) {});
}

// What holds a core last may be a callback on its loop, which cannot wait for its own thread.
ProducerCore::~ProducerCore() {
  if (loop_->is_this_thread()) std::thread([loop = std::move(loop_)] {}).detach();
}

void ProducerCore::fill_in(CallData& call) const {
  if (call.id.empty()) call.id = make_id();
  if (call.queue.empty()) call.queue = options_.queue;
  for (CallData& next : call.next) {
    if (next.id.empty()) next.id = make_id();
    if (next.queue.empty()) next.queue = call.queue;
  }
}

UntypedResult ProducerCore::expect(const std::string& id) {
  auto result = std::make_shared<ResultState>(id, weak_from_this(), client_.executor(), true);
  const std::lock_guard lock(mutex_);
  results_[id] = result;
  return result;
}

UntypedResult ProducerCore::expect_nothing(std::string id) {
  return std::allocate_shared<ResultState>(millrace::detail::RecycledAllocator<ResultState>(), std::move(id),
                                           weak_from_this(), client_.executor(), false);
}

void ProducerCore::submit(CallData&& call, UntypedResult& result, Ended done) {
  fill_in(call);
  if (!call.ignore_result) result = expect(awaited_of(call));
  if (auto now = encoded_now(call)) {
    if (call.ignore_result) result = expect_nothing(std::move(awaited_of(call)));
    return client::publish(client_, std::move(*now), std::move(done));
  }
  std::vector<Step> steps = sending(call);
  if (call.ignore_result)
    result = expect_nothing(std::move(awaited_of(call)));
  else
    steps.insert(steps.begin(), listening());
  run(std::move(steps), caller_of(std::move(done)));
}

void ProducerCore::run(std::vector<Step> steps, const std::shared_ptr<Caller<>>& caller) {
  run_steps(
      std::move(steps), [caller](std::exception_ptr error) { caller->tell(std::move(error)); },
      left_by([caller] { return caller->is_told(); }));
}

std::function<bool()> ProducerCore::left_by(std::function<bool()> is_told) {
  return [self = shared_from_this(), is_told = std::move(is_told)] { return self->closed_ || is_told(); };
}

std::vector<Step> ProducerCore::sending(const CallData& call) {
  Outgoing out = outgoing_of(call);
  std::vector<Step> steps{ensuring(out.need, out.queue)};
  if (is_kept(call)) steps.push_back(keeping(call.id, call.keep_result_for));
  for (const CallData& next : call.next) {
    if (is_kept(next)) steps.push_back(keeping(next.id, next.keep_result_for));
  }
  steps.push_back(publishing(std::move(out.to), std::move(out.message)));
  if (!options_.events) return steps;
  steps.push_back([self = shared_from_this(), call](const Then& then) {
    self->announce(call);
    then(nullptr);
  });
  return steps;
}

// From now on who asks is told that it has not ended.
Step ProducerCore::keeping(const std::string& id, Milliseconds time) {
  return [self = shared_from_this(), queue = kept_result_queue(id, time)](Then then) {
    declare_kept_result(self->client_, self->loop_->executor(), queue, std::move(then));
  };
}

Step ProducerCore::listening() {
  return [self = shared_from_this()](Then then) { self->listen(std::move(then)); };
}

Step ProducerCore::ensuring(Places::Need need, const std::string& queue) {
  return [self = shared_from_this(), need, queue](Then then) {
    self->places_.ensure(need, queue, std::move(then));
  };
}

// Steps go on on the loop: a callback of the client's that waits for them does not wait for its own thread.
Step ProducerCore::declaring(QueueSpec queue) {
  return [self = shared_from_this(), queue = std::move(queue)](Then then) {
    auto declared = [then = std::move(then)](std::exception_ptr error, const QueueInfo&) { then(error); };
    self->client_.async_declare_queue(queue, bind_executor(self->loop_->executor(), std::move(declared)));
  };
}

Step ProducerCore::publishing(Address to, Message message) {
  return [self = shared_from_this(), to = std::move(to), message = std::move(message)](Then then) {
    auto published = [then = std::move(then)](std::exception_ptr error, const Receipt&) { then(error); };
    self->client_.async_publish(to, message, bind_executor(self->loop_->executor(), std::move(published)));
  };
}

std::optional<client::Encoded> ProducerCore::encoded_now(const CallData& call) {
  if (options_.events || !(call.ignore_result || listening_)) return std::nullopt;
  if (is_kept(call) || std::any_of(call.next.begin(), call.next.end(), is_kept)) return std::nullopt;
  if (!places_.is_there(Places::Need::queue, call.queue)) return std::nullopt;
  try {
    return outgoing_now(call, call.ignore_result ? std::string() : reply_queue_, origin_,
                        options_.durable_results, client::make_message_id(client_));
  } catch (const ClientError&) {
    return std::nullopt;  // the longer way says what is wrong with it
  }
}

Outgoing ProducerCore::outgoing_of(const CallData& call) const {
  Outgoing out = outgoing(call, call.ignore_result ? std::string() : reply_queue_, origin_);
  if (options_.durable_results) out.message.headers[kDurableResult] = true;
  return out;
}

UntypedResult ProducerCore::submit(CallData call) {
  fill_in(call);
  const std::string& awaited = awaited_of(call);
  UntypedResult result = call.ignore_result ? expect_nothing(awaited) : expect(awaited);
  if (!call.ignore_result) wait_until_done([this](Then then) { listen(std::move(then)); });
  if (auto now = encoded_now(call)) {
    client::wait_for<>([&](Ended done) { client::publish(client_, std::move(*now), std::move(done)); });
    return result;
  }
  wait_until_done([&](Then then) { run_steps(sending(call), std::move(then)); });
  return result;
}

void ProducerCore::schedule(const std::string& name, const std::string& cron, CallData call) {
  if (call.queue.empty()) call.queue = options_.queue;
  const boost::json::object plan = make_plan(name, cron, call);
  CallData first = tick_call(plan, std::chrono::system_clock::now(), call.queue);
  places_.ensure(Places::Need::unique, call.queue);
  const QueueSpec queue = schedule_queue(name);
  client_.declare_queue(queue);
  client_.publish(queue.name, json_message(plan));
  submit(std::move(first));
}

void ProducerCore::unschedule(const std::string& name) {
  client_.delete_queue(schedule_queue(name).name);
}

void ProducerCore::listen(Then then) {
  {
    std::unique_lock lock(mutex_);
    if (listening_) {
      lock.unlock();
      return then(nullptr);
    }
    waiting_to_listen_.push_back(std::move(then));
    if (waiting_to_listen_.size() > 1) return;
  }
  start_listening();
}

void ProducerCore::start_listening() {
  QueueSpec queue(reply_queue_);
  queue.durable = options_.durable_results;
  queue.arguments = {{"x-expires", kReplyQueueMs}};
  auto declared = [self = shared_from_this()](std::exception_ptr error, const QueueInfo&) {
    if (self->closed_) return self->listening_begun(given_up());
    if (error) return self->listening_begun(error);
    try {
      ConsumeOptions options;
      options.prefetch = kReplyPrefetch;
      const std::weak_ptr weak(self);
      Consumer replies = self->client_.consume(self->reply_queue_,
                                               bind_executor(self->loop_->executor(),
                                                             [weak](Delivery delivery) {
                                                               const auto alive = weak.lock();
                                                               if (alive)
                                                                 alive->on_result(std::move(delivery));
                                                             }),
                                               options);
      {
        const std::lock_guard lock(self->mutex_);
        self->replies_ = std::move(replies);
      }
      self->listening_begun(nullptr);
    } catch (...) {
      self->listening_begun(std::current_exception());
    }
  };
  client_.async_declare_queue(std::move(queue), bind_executor(loop_->executor(), std::move(declared)));
}

void ProducerCore::listening_begun(const std::exception_ptr& error) {
  std::vector<Then> waiting;
  {
    const std::lock_guard lock(mutex_);
    listening_ = !error;
    waiting.swap(waiting_to_listen_);
  }
  for (const Then& then : waiting) then(error);
}

void ProducerCore::on_result(Delivery delivery) {
  if (delivery.exchange() == kResultsExchange) {
    askings_.on_notice(delivery.routing_key());
    return delivery.ack();
  }
  const auto received = decode_result(delivery.message());
  std::shared_ptr<ResultState> result;
  if (received) {
    const std::lock_guard lock(mutex_);
    const auto at = results_.find(received->id);
    if (at != results_.end()) result = at->second.lock();
  }
  if (result) result->update(received->status);
  // One that cannot be read, or that nobody waits for, is of no use to anybody: the queue is ours alone.
  delivery.ack();
}

void ProducerCore::forget(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto at = results_.find(id);
  if (at != results_.end() && at->second.expired()) results_.erase(at);
}

void ProducerCore::ask(const std::string& id, Milliseconds timeout, Asking::Done done) {
  askings_.ask(id, timeout, std::move(done));
}

void ProducerCore::revoke(const std::string& id, bool running_too) {
  cancel_task(client_, id, running_too);
}

void ProducerCore::announce(const CallData& call) {
  client_.async_publish(event_address("task-sent"), task_sent_event(call, origin_),
                        [](std::exception_ptr, const Receipt&) {});  // nobody is told of a monitor's loss
}

void ProducerCore::close() {
  closed_ = true;
  Consumer replies;
  std::vector<std::shared_ptr<ResultState>> waiting;
  std::vector<std::weak_ptr<Waiting>> callers;
  {
    const std::lock_guard lock(mutex_);
    callers.swap(callers_);
    replies = std::move(replies_);
    for (auto& [id, weak] : results_) {
      if (auto result = weak.lock()) waiting.push_back(std::move(result));
    }
  }
  askings_.close(make_failure(ErrorKind::closed, "the producer was destroyed before it had the result"));
  replies.cancel();
  for (const auto& result : waiting) {
    result->give_up(make_failure(
        ErrorKind::closed, "the producer was destroyed before task " + result->id() + " had its result"));
  }
  for (const auto& weak : callers) {
    if (const auto alive = weak.lock())
      alive->give_up(
          make_failure(ErrorKind::closed, "the producer was destroyed; what was submitted by then stays"));
  }
  places_.close();
  drain();
}

void ProducerCore::remember(const std::shared_ptr<Waiting>& caller) {
  const std::lock_guard lock(mutex_);
  if (callers_.size() >= callers_looked_through_at_) {
    std::erase_if(callers_, [](const std::weak_ptr<Waiting>& one) { return one.expired(); });
    callers_looked_through_at_ = std::max<std::size_t>(64, 2 * callers_.size());
  }
  callers_.push_back(caller);
}

// Twice: what was queued may have asked the client for one thing more, which has failed since.
void ProducerCore::drain() {
  if (loop_->is_this_thread()) return;
  for (int turn = 0; turn < 2; ++turn) {
    std::promise<void> reached;
    loop_->post([&reached] { reached.set_value(); });
    reached.get_future().wait();
  }
}

void start_submit(ProducerCore& core, CallData&& call, UntypedResult& result,
                  millrace::detail::Completion<> done) {
  core.submit(std::move(call), result, std::move(done));
}
UntypedResult submit(ProducerCore& core, CallData call) {
  return core.submit(std::move(call));
}
void ask(ProducerCore& core, std::string id, Milliseconds timeout,
         millrace::detail::Completion<boost::json::value> done) {
  core.ask(id, timeout, std::move(done));
}
boost::json::value ask(ProducerCore& core, const std::string& id, Milliseconds timeout) {
  return client::wait_for<boost::json::value>(
      [&](Asking::Done done) { core.ask(id, timeout, std::move(done)); });
}
void schedule(ProducerCore& core, const std::string& name, const std::string& cron, CallData call) {
  core.schedule(name, cron, std::move(call));
}
const Executor& executor(const ProducerCore& core) {
  return core.executor();
}

}  // namespace detail

Producer::Producer(ClientOptions client, ProducerOptions options)
    : own_client_(std::make_unique<Client>(std::move(client))),
      core_(std::make_shared<detail::ProducerCore>(*own_client_, std::move(options))) {}

Producer::Producer(Client& client, ProducerOptions options)
    : core_(std::make_shared<detail::ProducerCore>(client, std::move(options))) {}

Producer::~Producer() {
  core_->close();
  if (own_client_) own_client_->close();
  core_->drain();
}

void Producer::unschedule(const std::string& name) {
  core_->unschedule(name);
}

void Producer::cancel(const std::string& id, bool running_too) {
  core_->revoke(id, running_too);
}

}  // namespace millrace::tasks
