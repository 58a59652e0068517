#include "millrace/tasks/producer.hpp"

#include <unistd.h>

#include <thread>
#include <utility>

#include "client/src/blocking.hpp"
#include "client/tasks/barrier.hpp"
#include "client/tasks/events.hpp"
#include "client/tasks/identity.hpp"
#include "client/tasks/json_message.hpp"
#include "client/tasks/producer_core.hpp"
#include "client/tasks/result_message.hpp"
#include "client/tasks/schedule.hpp"
#include "client/tasks/task_message.hpp"
#include "millrace/coroutines.hpp"
#include "millrace/tasks/control.hpp"

namespace millrace::tasks {
namespace detail {
namespace {

// A reply queue outlives its producer by that much: a broken connection must not cost results.
constexpr std::int64_t kReplyQueueMs = 3'600'000;
constexpr std::uint16_t kReplyPrefetch = 1000;

}  // namespace

ProducerCore::ProducerCore(Client& client, ProducerOptions options)
    : client_(client),
      options_(std::move(options)),
      origin_("gen" + std::to_string(getpid()) + "@" + host_name()),
      reply_queue_("millrace.reply." + make_id()),
      places_(client, loop_->executor(), options_.declare_queue, {options_.queue}, options_.queue_arguments) {
  if (options_.events) client_.async_declare_exchange(event_exchange(), [](std::exception_ptr) {});
}

// What holds a core last may be a callback on its loop, which cannot wait for its own thread.
ProducerCore::~ProducerCore() {
  if (loop_->is_this_thread()) std::thread([loop = std::move(loop_)] {}).detach();
}

UntypedResult ProducerCore::prepare(CallData& call) {
  if (call.id.empty()) call.id = make_id();
  if (call.queue.empty()) call.queue = options_.queue;
  for (CallData& next : call.next) {
    if (next.id.empty()) next.id = make_id();
    if (next.queue.empty()) next.queue = call.queue;
  }
  // The caller wants what the last one of a chain returns.
  const std::string& awaited = call.next.empty() ? call.id : call.next.back().id;
  if (!call.ignore_result) return expect(awaited);
  return std::make_shared<ResultState>(awaited, weak_from_this(), client_.executor(), false);
}

UntypedResult ProducerCore::expect(const std::string& id) {
  auto result = std::make_shared<ResultState>(id, weak_from_this(), client_.executor(), true);
  const std::lock_guard lock(mutex_);
  results_[id] = result;
  return result;
}

void ProducerCore::submit(CallData call, millrace::detail::Completion<UntypedResult> done) {
  UntypedResult result = prepare(call);
  if (auto now = encoded_now(call)) {
    auto submitted = [result = std::move(result)](const Receipt&) { return result; };
    return client::publish(client_, std::move(*now),
                           millrace::detail::forward_to<Receipt>(std::move(done), std::move(submitted)));
  }
  auto shared = std::make_shared<CallData>(std::move(call));
  auto held = std::make_shared<millrace::detail::Completion<UntypedResult>>(std::move(done));
  auto publish = [self = shared_from_this(), shared, result, held](std::exception_ptr error) {
    if (error) return held->later(error, nullptr);
    auto message = std::make_shared<Outgoing>(self->outgoing_of(*shared));
    self->places_.ensure(message->need, message->queue,
                         [self, shared, result, held, message](std::exception_ptr why) {
                           if (why) return held->later(why, nullptr);
                           self->client_.async_publish(
                               message->to, std::move(message->message),
                               [self, shared, result, held](std::exception_ptr failed, const Receipt&) {
                                 if (!failed && self->options_.events) self->announce(*shared);
                                 held->later(failed, failed ? nullptr : result);
                               });
                         });
  };
  if (shared->ignore_result)
    publish(nullptr);
  else
    listen(std::move(publish));
}

std::optional<client::Encoded> ProducerCore::encoded_now(const CallData& call) {
  if (options_.events || !(call.ignore_result || listening_)) return std::nullopt;
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
  UntypedResult result = prepare(call);
  if (!call.ignore_result) listen_now();
  if (auto now = encoded_now(call)) {
    client::wait_for<Receipt>([&](millrace::detail::Completion<Receipt> done) {
      client::publish(client_, std::move(*now), std::move(done));
    });
    return result;
  }
  Outgoing out = outgoing_of(call);
  places_.ensure(out.need, out.queue);
  client_.publish(out.to, std::move(out.message));
  if (options_.events) announce(call);
  return result;
}

UntypedResult ProducerCore::submit(std::vector<CallData> group, CallData last) {
  if (group.empty())
    throw ClientError(ErrorKind::invalid_argument, "a chord needs at least one call in its group");
  if (last.id.empty()) last.id = make_id();
  if (last.queue.empty()) last.queue = options_.queue;
  UntypedResult result = expect(last.id);
  listen_now();
  const std::string id = make_id();
  places_.ensure(Places::Need::unique, last.queue);  // before anything runs: it cannot be joined without
  client_.declare_queue(barrier_queue(id));
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
  submit_all(std::move(group));
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

void ProducerCore::listen_now() {
  wait_until_done([this](Then then) { listen(std::move(then)); });
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
    if (error) return self->listening(error);
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
      self->listening(nullptr);
    } catch (...) {
      self->listening(std::current_exception());
    }
  };
  client_.async_declare_queue(std::move(queue), bind_executor(loop_->executor(), std::move(declared)));
}

void ProducerCore::listening(const std::exception_ptr& error) {
  std::vector<Then> waiting;
  {
    const std::lock_guard lock(mutex_);
    listening_ = !error;
    waiting.swap(waiting_to_listen_);
  }
  for (const Then& then : waiting) then(error);
}

void ProducerCore::on_result(Delivery delivery) {
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

void ProducerCore::revoke(const std::string& id, bool running_too) {
  cancel_task(client_, id, running_too);
}

void ProducerCore::announce(const CallData& call) {
  client_.async_publish(event_address("task-sent"), task_sent_event(call, origin_),
                        [](std::exception_ptr, const Receipt&) {});  // nobody is told of a monitor's loss
}

void ProducerCore::close() {
  Consumer replies;
  std::vector<std::shared_ptr<ResultState>> waiting;
  {
    const std::lock_guard lock(mutex_);
    replies = std::move(replies_);
    for (auto& [id, weak] : results_) {
      if (auto result = weak.lock()) waiting.push_back(std::move(result));
    }
  }
  replies.cancel();
  for (const auto& result : waiting) {
    result->give_up(make_failure(
        ErrorKind::closed, "the producer was destroyed before task " + result->id() + " had its result"));
  }
}

void start_submit(ProducerCore& core, CallData call, millrace::detail::Completion<UntypedResult> done) {
  core.submit(std::move(call), std::move(done));
}
UntypedResult submit(ProducerCore& core, CallData call) {
  return core.submit(std::move(call));
}
UntypedResult submit(ProducerCore& core, std::vector<CallData> group, CallData last) {
  return core.submit(std::move(group), std::move(last));
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
}

void Producer::unschedule(const std::string& name) {
  core_->unschedule(name);
}

void Producer::cancel(const std::string& id, bool running_too) {
  core_->revoke(id, running_too);
}

}  // namespace millrace::tasks
