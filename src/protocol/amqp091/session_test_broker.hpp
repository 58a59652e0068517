// A broker, a transport and a clock for tests of sessions. The broker writes down what it is asked and
// answers as it was told beforehand.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/assert.hpp"
#include "broker/access/scram.hpp"
#include "broker/connection.hpp"
#include "protocol/amqp091/transport.hpp"

namespace millrace::amqp091::testing {

struct FakeBroker {
  static constexpr std::uint64_t kBodyBudgetBytes = 4u << 20;

  std::function<void(std::string)> log = [](std::string) {};
  bool later = false;               // answers wait for answer()
  std::deque<Task> waiting;         // such answers
  Task left;                        // of a move
  std::optional<Error> next_error;  // of the next call that may fail
  broker::PublishOutcome outcome{true, false};
  bool blocked = false;
  std::uint64_t messages = 0;  // what queues say of themselves
  std::optional<broker::GotMessage> next_got;
  std::uint64_t max_message_bytes = 1000;
  broker::BodyBudget body_budget{kBodyBudgetBytes,
                                 [this](std::string_view line) { log("logged: " + std::string(line)); }};
  std::uint64_t channel_limit = 1'000'000;        // of the user
  std::vector<broker::PublishToken> tokens;       // of pending publishes
  std::map<std::uint64_t, std::uint64_t> credit;  // by consumer id
  std::vector<broker::ConsumerId> consumers;      // in the order they came
  Ref<broker::Message> last_published;
  broker::ConnectionListener* listener = nullptr;
  bool closed = false;

  void answer() {
    while (!waiting.empty()) {
      Task task = std::move(waiting.front());
      waiting.pop_front();
      task();
    }
  }

  template <class T>
  void give(broker::Done<T> done, result<T> value) {
    if (next_error) value = *std::exchange(next_error, std::nullopt);
    if (!later) return done(std::move(value));
    waiting.emplace_back([this, done = std::move(done), value = std::move(value)]() mutable {
      if (!closed) done(std::move(value));
    });
  }
};

inline std::string flag(bool set, const char* name) {
  return set ? std::string(" ") + name : std::string();
}

inline std::string show(const broker::Arguments& arguments) {
  std::string text;
  for (const auto& [key, value] : arguments) {
    text += " " + key + "=" + value.describe() + ":" + std::string(value.type_name());
  }
  return text;
}

class FakeConnection final : public broker::Connection {
 public:
  FakeConnection(FakeBroker& broker, broker::Subject subject, std::string vhost)
      : fake_(broker), subject_(std::move(subject)), vhost_(std::move(vhost)) {}

  broker::ConnectionId id() const noexcept override { return broker::ConnectionId(1); }
  const broker::Subject& subject() const noexcept override { return subject_; }
  const std::string& vhost() const noexcept override { return vhost_; }

  void declare_exchange(const broker::ExchangeDeclare& d, broker::Done<void> done) override {
    fake_.log("declare_exchange " + text(d.name) + " " + text(d.type) + flag(d.durable, "durable") +
              flag(d.auto_delete, "auto-delete") + flag(d.internal, "internal") + show(d.arguments));
    fake_.give(std::move(done), result<void>());
  }
  void check_exchange(std::string_view name, broker::Done<void> done) override {
    fake_.log("check_exchange " + text(name));
    fake_.give(std::move(done), result<void>());
  }
  void delete_exchange(std::string_view name, bool if_unused, broker::Done<void> done) override {
    fake_.log("delete_exchange " + text(name) + flag(if_unused, "if-unused"));
    fake_.give(std::move(done), result<void>());
  }
  void bind(std::string_view source, std::string_view destination, bool to_exchange, std::string_view key,
            broker::Arguments arguments, broker::Done<void> done) override {
    fake_.log("bind " + text(source) + " to " + (to_exchange ? "exchange " : "queue ") + text(destination) +
              " key " + text(key) + show(arguments));
    fake_.give(std::move(done), result<void>());
  }
  void unbind(std::string_view source, std::string_view destination, bool to_exchange, std::string_view key,
              broker::Arguments arguments, broker::Done<void> done) override {
    fake_.log("unbind " + text(source) + " from " + (to_exchange ? "exchange " : "queue ") +
              text(destination) + " key " + text(key) + show(arguments));
    fake_.give(std::move(done), result<void>());
  }
  void declare_queue(const broker::QueueDeclare& d, broker::Done<broker::QueueStatus> done) override {
    fake_.log("declare_queue " + text(d.name) + flag(d.durable, "durable") + flag(d.exclusive, "exclusive") +
              flag(d.auto_delete, "auto-delete") + show(d.arguments));
    const std::string name = d.name.empty() ? "amq.gen-1" : std::string(d.name);
    fake_.give(std::move(done), result<broker::QueueStatus>(broker::QueueStatus{name, fake_.messages, 0}));
  }
  void check_queue(std::string_view name, broker::Done<broker::QueueStatus> done) override {
    fake_.log("check_queue " + text(name));
    fake_.give(std::move(done),
               result<broker::QueueStatus>(broker::QueueStatus{std::string(name), fake_.messages, 0}));
  }
  void purge_queue(std::string_view name, broker::Done<std::uint64_t> done) override {
    fake_.log("purge_queue " + text(name));
    fake_.give(std::move(done), result<std::uint64_t>(fake_.messages));
  }
  void delete_queue(std::string_view name, bool if_unused, bool if_empty,
                    broker::Done<std::uint64_t> done) override {
    fake_.log("delete_queue " + text(name) + flag(if_unused, "if-unused") + flag(if_empty, "if-empty"));
    fake_.give(std::move(done), result<std::uint64_t>(fake_.messages));
  }

  result<broker::PublishOutcome> publish(const broker::Publish& p) override {
    const broker::Message& m = *p.message;
    std::string line = "publish to " + text(p.exchange) + " key " + text(p.routing_key);
    for (const std::string_view key : p.extra_keys) line += " also " + text(key);
    line += flag(m.durable(), "durable");
    if (m.priority() != 0) line += " priority " + std::to_string(m.priority());
    if (m.ttl_ms() >= 0) line += " ttl " + std::to_string(m.ttl_ms());
    if (m.timestamp_ms() >= 0) line += " timestamp " + std::to_string(m.timestamp_ms());
    const std::string_view body = as_text(m.body());
    line += body.size() <= 40 ? " body " + text(body) : " body of " + std::to_string(body.size());
    fake_.log(std::move(line));
    fake_.last_published = p.message;
    if (fake_.next_error) return *std::exchange(fake_.next_error, std::nullopt);
    broker::PublishOutcome outcome = fake_.outcome;
    if (p.token == 0) outcome.pending = false;
    if (outcome.pending) fake_.tokens.push_back(p.token);
    return outcome;
  }

  void consume(const broker::Consume& c, broker::Done<broker::QueueAddress> done) override {
    fake_.log("consume " + text(c.queue) + " tag " + text(c.tag) + flag(c.no_ack, "no-ack") +
              flag(c.exclusive, "exclusive") + " credit " + std::to_string(c.credit) +
              (c.priority != 0 ? " priority " + std::to_string(c.priority) : "") + show(c.arguments));
    fake_.credit[c.id.value] = c.credit;
    fake_.consumers.push_back(c.id);
    if (c.queue == "amq.rabbitmq.reply-to") reply_address_ = "amq.rabbitmq.reply-to.secret";
    fake_.give(std::move(done), result<broker::QueueAddress>(broker::QueueAddress{broker::QueueId(7), {}}));
  }
  void cancel(broker::ConsumerId consumer, broker::Done<void> done) override {
    fake_.log("cancel " + consumer_name(consumer));
    fake_.give(std::move(done), result<void>());
  }
  void grant(broker::ConsumerId consumer, std::uint32_t credit) override {
    fake_.log("grant " + consumer_name(consumer) + " " + std::to_string(credit));
    fake_.credit[consumer.value] += credit;
  }
  void get(std::string_view queue, bool no_ack,
           broker::Done<std::optional<broker::GotMessage>> done) override {
    fake_.log("get " + text(queue) + flag(no_ack, "no-ack"));
    fake_.give(std::move(done),
               result<std::optional<broker::GotMessage>>(std::exchange(fake_.next_got, std::nullopt)));
  }
  void settle(const broker::QueueAddress& queue, broker::ConsumerId consumer,
              std::span<const std::uint64_t> seqs, broker::Settlement how) override {
    static constexpr const char* kHow[] = {"ack", "reject", "requeue", "requeue_failed"};
    std::string line = std::string(kHow[static_cast<int>(how)]) + " queue " + std::to_string(queue.id.value) +
                       " " + consumer_name(consumer) + ":";
    for (const std::uint64_t seq : seqs) line += " " + std::to_string(seq);
    fake_.log(std::move(line));
  }

  std::string_view reply_address() const noexcept override { return reply_address_; }
  void update_secret(std::string_view secret, broker::Done<void> done) override {
    fake_.log("update_secret " + text(secret));
    fake_.give(std::move(done), result<void>());
  }
  bool publishers_blocked() const noexcept override { return fake_.blocked; }
  result<void> take_channel() override {
    if (channels_ == fake_.channel_limit) return fail(Errc::not_allowed, "too many channels");
    ++channels_;
    return {};
  }
  void give_back_channel() noexcept override { --channels_; }
  bool leave_for(broker::ShardId to, Task left) override {
    fake_.log("leave for shard " + std::to_string(to.value));
    if (fake_.next_error) {
      fake_.next_error.reset();
      return false;
    }
    fake_.left = std::move(left);
    return true;
  }
  void arrive() override { fake_.log("arrive"); }
  void close(broker::Done<void> done) override {
    fake_.log("close");
    fake_.closed = true;
    if (!fake_.later) return done({});
    fake_.waiting.emplace_back([done = std::move(done)]() mutable { done({}); });
  }

 private:
  static std::string text(std::string_view name) { return "'" + std::string(name) + "'"; }
  std::string consumer_name(broker::ConsumerId id) const {
    for (std::size_t i = 0; i < fake_.consumers.size(); ++i) {
      if (fake_.consumers[i] == id) return "consumer " + std::to_string(i + 1);
    }
    return id.value == 0 ? "got" : "consumer unknown";
  }

  FakeBroker& fake_;
  broker::Subject subject_;
  std::string vhost_;
  std::string reply_address_;
  std::uint64_t channels_ = 0;
};

class FakeGate final : public broker::Gate {
 public:
  explicit FakeGate(FakeBroker& broker) : fake_(broker) {}

  void authenticate(broker::Credentials login, const broker::ConnectionInfo&,
                    broker::Done<broker::Subject> done) override {
    fake_.log("authenticate " + login.user);
    result<broker::Subject> subject(broker::Subject{login.user, {}});
    if (login.secret.reveal() != login.user) subject = fail(Errc::access_refused, "wrong password");
    fake_.give(std::move(done), std::move(subject));
  }
  bool has_user(std::string_view) const noexcept override { return true; }
  void begin_scram(broker::ScramHash, std::string_view client_first, const broker::ConnectionInfo&,
                   broker::Done<broker::ScramChallenge> done) override {
    fake_.log("begin_scram " + std::string(client_first));
    result<broker::ScramChallenge> challenge(
        broker::ScramChallenge{std::make_shared<broker::ScramLogin>(), "challenge"});
    fake_.give(std::move(done), std::move(challenge));
  }
  void finish_scram(std::shared_ptr<broker::ScramLogin>, std::string_view client_final,
                    const broker::ConnectionInfo&, broker::Done<broker::ScramSuccess> done) override {
    fake_.log("finish_scram " + std::string(client_final));
    result<broker::ScramSuccess> success(broker::ScramSuccess{broker::Subject{"u", {}}, "proof"});
    if (client_final != "right") success = fail(Errc::access_refused, "wrong password");
    fake_.give(std::move(done), std::move(success));
  }
  result<std::unique_ptr<broker::Connection>> open(const broker::Subject& subject, std::string_view vhost,
                                                   const broker::ConnectionInfo& info,
                                                   broker::ConnectionListener& listener) override {
    fake_.log("open '" + std::string(vhost) + "' as " + subject.user +
              (info.client_name.empty() ? "" : " named '" + info.client_name + "'"));
    if (fake_.next_error) return *std::exchange(fake_.next_error, std::nullopt);
    fake_.listener = &listener;
    return {std::make_unique<FakeConnection>(fake_, subject, std::string(vhost))};
  }
  std::int64_t wall_ms() const noexcept override { return 1'700'000'000'000; }
  std::uint64_t max_message_bytes() const noexcept override { return fake_.max_message_bytes; }
  broker::BodyBudget& body_budget() noexcept override { return fake_.body_budget; }

 private:
  FakeBroker& fake_;
};

class FakeTransport final : public Transport {
 public:
  std::function<void(std::string)> log = [](std::string) {};
  OutputQueue queue;
  bool paused = false;
  bool offer_again = false;
  bool closing = false;
  bool done = false;

  OutputQueue& output() override { return queue; }
  void want_flush() override {}
  void close_after_flush() override {
    closing = true;
    log("close after flush");
  }
  void close_now() override {
    closing = true;
    queue.clear();
    log("close now");
  }
  void pause_reading() override {
    paused = true;
    log("pause");
  }
  void resume_reading() override {
    paused = false;
    offer_again = true;
    log("resume");
  }
  TimerId start_timer(std::uint32_t delay_ms, Task task) override {
    timers_.emplace(++last_timer_, Timer{now_ms_ + delay_ms, std::move(task)});
    return TimerId(last_timer_);
  }
  void cancel_timer(TimerId timer) override { timers_.erase(timer.value); }
  void move_to(broker::ShardId shard) override {
    MILLRACE_ASSERT(timers_.empty(), "a timer would run on the wrong thread");
    log("move to shard " + std::to_string(shard.value));
  }
  void session_done() override {
    done = true;
    log("session done");
  }

  void advance(std::uint64_t ms) {
    const std::uint64_t until = now_ms_ + ms;
    for (;;) {
      auto next = timers_.end();
      for (auto at = timers_.begin(); at != timers_.end(); ++at) {
        if (at->second.due_ms <= until && (next == timers_.end() || at->second.due_ms < next->second.due_ms))
          next = at;
      }
      if (next == timers_.end()) break;
      now_ms_ = next->second.due_ms;
      Task task = std::move(next->second.task);
      timers_.erase(next);
      task();
    }
    now_ms_ = until;
  }

 private:
  struct Timer {
    std::uint64_t due_ms;
    Task task;
  };
  std::map<std::uint64_t, Timer> timers_;
  std::uint64_t last_timer_ = 0;
  std::uint64_t now_ms_ = 0;
};

// All that waits to be sent, in one piece.
inline std::string drain(OutputQueue& queue) {
  std::string bytes;
  while (!queue.empty()) {
    iovec parts[16];
    const std::size_t count = queue.gather(parts);
    std::size_t taken = 0;
    for (std::size_t i = 0; i < count; ++i) {
      bytes.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
      taken += parts[i].iov_len;
    }
    queue.consume(taken);
  }
  return bytes;
}

}  // namespace millrace::amqp091::testing
