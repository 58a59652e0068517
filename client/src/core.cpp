#include "client/src/core.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <iterator>
#include <random>

#include "base/hex.hpp"
#include "client/src/definition_calls.hpp"
#include "client/src/fields.hpp"
#include "client/src/received.hpp"
#include "client/src/reply_error.hpp"
#include "millrace/error.hpp"

namespace millrace::client {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr const char* kNoChannel = "as many consumers as the broker allows channels; use another client";
constexpr auto kDeadlineTick = std::chrono::milliseconds(100);
// For connection.close-ok, once all else is done.
constexpr auto kGoodbyeTimeout = std::chrono::milliseconds(1000);

std::vector<ServerUrl> parse_servers(const ClientOptions& options) {
  std::vector<ServerUrl> servers;
  for (const std::string& url : options.servers) servers.push_back(parse_server_url(url));
  if (servers.empty())
    throw ClientError(ErrorKind::invalid_argument,
                      "no server is given; for example amqp://guest:guest@localhost");
  return servers;
}

std::uint64_t draw_seed() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) ^ device();
}

// Calls handlers in turn. One that throws does not take the others with it.
struct FinishedBatch {
  std::vector<std::unique_ptr<detail::Finished>> finished;
  Executor executor;
  std::size_t next = 0;

  void operator()() {
    while (next < finished.size()) {
      const auto now = std::move(finished[next++]);
      try {
        now->call();
      } catch (...) {
        if (next < finished.size()) asio::post(executor, std::move(*this));
        throw;
      }
    }
  }
};

bool is_fatal(const std::exception_ptr& error) {
  const ErrorKind kind = Failure(error).kind();
  return kind == ErrorKind::refused_login || kind == ErrorKind::tls || kind == ErrorKind::protocol ||
         kind == ErrorKind::invalid_argument;
}

}  // namespace

Core::Core(ClientOptions options, Executor callbacks)
    : options_(std::move(options)),
      servers_(parse_servers(options_)),
      callbacks_(std::move(callbacks)),
      context_(1),
      guard_(context_.get_executor()),
      reconnect_timer_(context_),
      deadline_timer_(context_),
      close_timer_(context_),
      listeners_(callbacks_),
      random_(draw_seed()),
      name_prefix_(to_hex(random_.next())),
      inbox_(context_, [this] { drain(); }) {}

Core::~Core() = default;

void Core::begin() {
  asio::co_spawn(context_, run(), asio::detached);
}

// -- Connecting
// -------------------------------------------------------------------------------------------------------

asio::awaitable<void> Core::run() {
  std::size_t failures = 0;
  std::size_t fatal = 0;
  while (!over_) {
    connecting_ = std::make_shared<Link>(context_, *this, options_);
    std::exception_ptr error;
    try {
      co_await connecting_->open(servers_[server_]);
    } catch (const ClientError&) {
      error = std::current_exception();
    } catch (const std::exception& unexpected) {
      error = make_failure(ErrorKind::not_connected,
                           servers_[server_].host_and_port() + ": " + unexpected.what());
    }
    const auto link = std::exchange(connecting_, nullptr);
    if (over_) break;
    if (!error) {
      failures = 0;
      link_ = link;
      established();
      link->start();
      while (link_ && !over_) co_await pause(std::chrono::hours(24));
    } else {
      link->close();
      last_error_ = error;
      ++failures;
      fatal = is_fatal(error) ? fatal + 1 : 0;
      // A broker that took the login once may be starting again, and knows its users in a moment.
      if (!ever_connected_ && fatal >= servers_.size()) {
        give_up(error);
        break;
      }
      emit(EventKind::connect_failed, Failure(error).text());
      server_ = (server_ + 1) % servers_.size();
    }
    if (over_) break;
    // Also before the first attempt after a loss: many clients lose one broker at the same moment.
    const std::size_t rounds = failures / servers_.size();
    auto time = options_.backoff_min;
    for (std::size_t i = 0; i < rounds && time < options_.backoff_max; ++i) time *= 2;
    co_await pause(jittered(std::min(time, options_.backoff_max)));
  }
}

asio::awaitable<void> Core::pause(std::chrono::milliseconds time) {
  error_code ignored;
  reconnect_timer_.expires_after(time);
  co_await reconnect_timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

std::chrono::milliseconds Core::jittered(std::chrono::milliseconds pause) {
  const auto half = static_cast<std::uint64_t>(pause.count()) / 2;
  return pause - std::chrono::milliseconds(random_.below(half + 1));
}

void Core::established() {
  ++connection_count_;
  {
    const std::lock_guard lock(server_info_mutex_);
    const ServerProperties& server = link_->server();
    server_info_ = {link_->url().host_and_port(), server.product, server.version, server.millrace};
  }
  last_error_ = nullptr;
  closing_.clear();
  recover();
}

void Core::recover() {
  std::deque<Call> calls;
  recovering_ = topology_.exchanges().size() + topology_.queues().size() + topology_.bindings().size();
  const auto link_now = link_;
  const auto add = [&](const auto& spec, auto write) {
    Call call;
    call.what = describe(spec);
    call.deadline = Clock::time_point::max();
    call.write = [spec, write](Buffer& out, std::uint16_t channel) { write(out, channel, spec); };
    call.done = [this, link_now, what = call.what](const Answer& answer) {
      // The same calls are made again on the next connection.
      if (link_ != link_now || over_) return;
      if (answer.error) emit(EventKind::recovery_failed, what + " again: " + Failure(answer.error).text());
      if (--recovering_ == 0) ready();
    };
    calls.push_back(std::move(call));
  };
  for (const auto& [name, exchange] : topology_.exchanges())
    add(exchange, [](Buffer& out, std::uint16_t channel, const ExchangeSpec& spec) {
      write_declare(out, channel, spec);
    });
  for (const auto& [name, queue] : topology_.queues())
    add(queue,
        [](Buffer& out, std::uint16_t channel, const QueueSpec& spec) { write_declare(out, channel, spec); });
  for (const BindingSpec& binding : topology_.bindings())
    add(binding,
        [](Buffer& out, std::uint16_t channel, const BindingSpec& spec) { write_bind(out, channel, spec); });
  const bool nothing = calls.empty();
  if (!nothing || !calls_.idle()) calls_.start_first(std::move(calls));
  if (!gets_.idle()) gets_.open();
  if (nothing) ready();
}

void Core::ready() {
  ready_ = true;
  ever_connected_ = true;
  for (Publisher* const publisher : publishers_)
    if (!publisher->idle()) publisher->open();
  if (!requester_.idle()) requester_.open();
  for (const std::uint16_t number : consumer_numbers()) consumers_.at(number)->open();
  link_->flush();
  emit(EventKind::connected, link_->server().product + " " + link_->server().version);
  for (ConnectWaiter& waiter : std::exchange(connect_waiters_, {})) waiter.done(nullptr, this);
}

void Core::give_up(const std::exception_ptr& why) {
  emit(EventKind::failed, Failure(why).text());
  shut_down(why);
}

std::string Core::connection_state() const {
  const std::string server = servers_.size() == 1 ? servers_[0].host_and_port()
                                                  : "any of " + std::to_string(servers_.size()) + " servers";
  return "not connected to " + server + (last_error_ ? " (" + Failure(last_error_).text() + ")" : "");
}

void Core::emit(EventKind kind, std::string text) {
  listeners_.emit(Event{kind, servers_[server_].host_and_port(), std::move(text)});
}

// -- What the link reads
// ----------------------------------------------------------------------------------------------

Channel* Core::channel(std::uint16_t number) {
  if (number == calls_.number()) return &calls_;
  if (number == gets_.number()) return &gets_;
  if (number == publisher_.number()) return &publisher_;
  if (number == aside_.number()) return &aside_;
  if (number == requester_.number()) return &requester_;
  const auto at = consumers_.find(number);
  return at == consumers_.end() ? nullptr : at->second.get();
}

std::vector<std::uint16_t> Core::consumer_numbers() const {
  std::vector<std::uint16_t> numbers;
  for (const auto& [number, consumer] : consumers_) numbers.push_back(number);
  return numbers;
}

void Core::on_frame(const amqp::Frame& frame) {
  if (frame.channel == 0) return on_connection_method(frame);
  if (closing_.contains(frame.channel)) {
    // After channel.close only its answer counts, and the broker's own close that crossed it.
    const std::uint32_t id = method_id(frame);
    if (id == amqp::channel::Close::id) amqp::encode(link_->out(), frame.channel, amqp::channel::CloseOk{});
    if (id == amqp::channel::CloseOk::id) closing_.erase(frame.channel);
    return;
  }
  Channel* const to = channel(frame.channel);
  if (!to || !to->is_open())
    throw ClientError(ErrorKind::protocol, "the broker sent a frame on channel " +
                                               std::to_string(frame.channel) + ", which is not open");
  to->take(frame);
}

void Core::on_connection_method(const amqp::Frame& frame) {
  switch (method_id(frame)) {
    case amqp::connection::Blocked::id: {
      const auto blocked = parse_method<amqp::connection::Blocked>(frame);
      for (Publisher* const publisher : publishers_) publisher->set_blocked(true);
      return emit(EventKind::blocked, "the broker blocks publishers: " + std::string(blocked.reason));
    }
    case amqp::connection::Unblocked::id:
      for (Publisher* const publisher : publishers_) publisher->set_blocked(false);
      return emit(EventKind::unblocked, "the broker reads publishers again");
    case amqp::connection::Close::id:
      return on_connection_close(parse_method<amqp::connection::Close>(frame));
    case amqp::connection::CloseOk::id:
      return shut_down(make_failure(ErrorKind::closed, "the client is closed"));
    case amqp::connection::UpdateSecretOk::id:
      return;
    default:
      throw ClientError(ErrorKind::protocol, "the broker sent a frame on channel 0 that has no place there");
  }
}

void Core::on_connection_close(const amqp::connection::Close& close) {
  amqp::encode(link_->out(), 0, amqp::connection::CloseOk{});
  link_->flush();
  const auto method = static_cast<std::uint32_t>(close.class_id) << 16 | close.method_id;
  const std::string what =
      method == 0 ? "the broker closed the connection" : std::string(amqp::method_name(method));
  const std::exception_ptr why = reply_error(what, close.reply_code, close.reply_text);
  // Whoever caused it must not cause it again on the next connection. A user may have as many channels as its
  // limit says; this one can be done without.
  if (Failure(why).kind() == ErrorKind::not_allowed) aside_.fail_all(why);
  if (close.class_id == amqp::kBasicClass) {
    if (method == amqp::basic::Publish::id)
      for (Publisher* const publisher : publishers_) publisher->blame(why);
    if (method == amqp::basic::Get::id) gets_.blame(why);
    if (method == amqp::basic::Consume::id)
      for (const std::uint16_t number : consumer_numbers())
        if (!consumers_.at(number)->is_started()) {
          consumers_.at(number)->end(why);
          remove_channel(number);
        }
  } else if (method != 0) {
    calls_.blame(why);
  }
  lose_link(why);
}

void Core::on_batch_read() {
  for (const std::uint16_t number : handing_over_) {
    const auto at = consumers_.find(number);
    if (at != consumers_.end()) at->second->hand_over();
  }
  handing_over_.clear();
  for (Publisher* const publisher : publishers_) publisher->pump();  // confirms have made room
  if (inbox_.is_asked()) drain();
  if (closing_down_) finish_close();
  flush_finished();
}

void Core::on_written() {
  for (Publisher* const publisher : publishers_) publisher->pump();
}

void Core::on_link_lost(std::exception_ptr why) {
  lose_link(why);
  flush_finished();
}

void Core::lose_link(const std::exception_ptr& why) {
  if (!link_) return;
  const auto link = std::exchange(link_, nullptr);
  link->close();
  last_error_ = why;
  ready_ = false;
  recovering_ = 0;
  calls_.link_lost(why);
  gets_.link_lost(why);
  for (Publisher* const publisher : publishers_) {
    publisher->link_lost(why);
    publisher->set_blocked(false);
  }
  requester_.link_lost(why);
  for (const std::uint16_t number : consumer_numbers()) consumers_.at(number)->link_lost(why);
  closing_.clear();
  if (close_sent_) {
    finish_close();
  } else if (!over_) {
    emit(EventKind::disconnected, Failure(why).text());
  }
  reconnect_timer_.cancel();
}

// -- Operations
// -------------------------------------------------------------------------------------------------------

void Core::connect(ConnectWaiter waiter) {
  if (over_) return waiter.done(over_, this);
  if (ready_) return waiter.done(nullptr, this);
  connect_waiters_.push_back(std::move(waiter));
  watch_deadlines();
}

void Core::cancel_connect(std::uint64_t id) {
  end_connects([id](const ConnectWaiter& waiter) { return waiter.id == id; },
               make_failure(ErrorKind::cancelled, "waiting for a connection was cancelled"));
}

void Core::end_connects(const std::function<bool(const ConnectWaiter&)>& which,
                        const std::exception_ptr& why) {
  const auto ended = std::stable_partition(connect_waiters_.begin(), connect_waiters_.end(),
                                           [&](const ConnectWaiter& waiter) { return !which(waiter); });
  std::vector<ConnectWaiter> told(std::make_move_iterator(ended),
                                  std::make_move_iterator(connect_waiters_.end()));
  connect_waiters_.erase(ended, connect_waiters_.end());
  for (ConnectWaiter& waiter : told) waiter.done(why, this);
}

void Core::call(Call call) {
  if (over_) return call.done(Answer{over_});
  calls_.start(std::move(call));
  watch_deadlines();
}

void Core::get(Call call) {
  if (over_) return call.done(Answer{over_});
  gets_.start(std::move(call));
  watch_deadlines();
}

void Core::cancel_call(std::uint64_t id) {
  calls_.cancel(id);
  gets_.cancel(id);
}

void Core::request(Request request) {
  if (over_) return request.done.fail(over_, this);
  requester_.start(std::move(request));
  watch_deadlines();
}

std::uint16_t Core::free_channel() const {
  const std::uint32_t max = link_ && link_->channel_max() != 0 ? link_->channel_max() : 65535;
  for (std::uint32_t number = kFirstConsumer; number <= max; ++number) {
    const auto candidate = static_cast<std::uint16_t>(number);
    const bool is_taken = consumers_.contains(candidate) || candidate == aside_.number();
    if (!is_taken && !closing_.contains(candidate)) return candidate;
  }
  return 0;
}

void Core::consume(std::string queue, ConsumeOptions options, Mailbox::Handler handler, Executor executor,
                   detail::Completion<Consumer> done) {
  if (over_) return done.fail(over_, this);
  const std::uint16_t number = free_channel();
  if (number == 0) return done.fail(make_failure(ErrorKind::overloaded, kNoChannel), this);
  auto failed = [listeners = listeners_, queue](const std::string& why) {
    listeners.emit(
        Event{EventKind::handler_failed, {}, "the handler of queue '" + queue + "' threw: " + why});
  };
  auto mailbox =
      std::make_shared<Mailbox>(std::move(handler), executor, options.parallel > 1, std::move(failed));
  Consumer consumer;
  consumer.mailbox_ = mailbox;
  consumer.core_ = weak_from_this();
  consumer.channel_ = number;
  consumer.executor_ = callbacks_;
  ConsumerChannel::Started started = [this, done = std::move(done),
                                      consumer = std::move(consumer)](std::exception_ptr error) mutable {
    if (error) return done.fail(std::move(error), this);
    done(nullptr, std::move(consumer), this);
  };
  auto channel = std::make_unique<ConsumerChannel>(*this, number, std::move(queue), std::move(options),
                                                   std::move(mailbox), deadline({}), std::move(started));
  ConsumerChannel& added = *channel;
  consumers_.emplace(number, std::move(channel));
  if (ready_) added.open();
  watch_deadlines();
}

void Core::stop_consumer(std::uint16_t number, const Mailbox* mailbox) {
  const auto at = consumers_.find(number);
  if (at == consumers_.end() || at->second->mailbox().get() != mailbox) return;
  if (at->second->stop()) remove_channel(number);
}

void Core::remove_channel(std::uint16_t number) {
  const auto at = consumers_.find(number);
  if (at == consumers_.end()) return;
  std::shared_ptr<ConsumerChannel> gone = std::move(at->second);
  consumers_.erase(at);
  if (link_ && gone->is_open()) {
    amqp::encode(link_->out(), number, amqp::channel::Close{200, "done", 0, 0});
    link_->flush();
    closing_.insert(number);
  }
  // Who asks for this may be the channel itself.
  asio::post(context_, [gone] {});
}

Delivery Core::make_delivery(const Channel& channel, std::string_view exchange, std::string_view routing_key,
                             bool redelivered, std::uint64_t tag, std::uint16_t together, Content content) {
  auto received = std::make_unique<Received>();
  received->content = RecycledBytes(content.bytes);
  received->properties_bytes = content.properties_bytes;
  received->message.body = std::move(content.large_body);
  received->exchange = exchange;
  received->routing_key = routing_key;
  received->redelivered = redelivered;
  if (together != 0) {
    received->core = weak_from_this();
    received->settlement.channel = channel.number();
    received->settlement.epoch = channel.epoch();
    received->settlement.tag = tag;
    received->settlement.together = together;
  }
  return Received::delivery(std::move(received));
}

// -- Closing
// ----------------------------------------------------------------------------------------------------------

bool Core::idle() const {
  return publisher_.idle() && aside_.idle() && calls_.idle() && gets_.idle() && requester_.idle();
}

void Core::close(detail::Completion<> done) {
  if (over_) return done(nullptr, this);
  close_waiters_.push_back(std::move(done));
  if (closing_down_) return;
  closing_down_ = true;
  close_timer_.expires_after(options_.close_timeout);
  close_timer_.async_wait([this](error_code error) {
    if (error || over_) return;
    shut_down(make_failure(ErrorKind::closed,
                           "the client was closed while this was still under way; it may have happened"));
    flush_finished();
  });
  // drain() goes on: what was published just before comes after this task, and is to be waited for.
}

// Called whenever something has ended: once there is nothing left to wait for, the goodbye; after that, the
// end.
void Core::finish_close() {
  if (over_ || !closing_down_) return;
  if (close_sent_ ? !link_ : !link_ && idle())
    return shut_down(make_failure(ErrorKind::closed, "the client is closed"));
  if (close_sent_ || !idle() || !link_) return;
  close_sent_ = true;
  amqp::encode(link_->out(), 0, amqp::connection::Close{200, "goodbye", 0, 0});
  link_->flush();
  close_timer_.expires_after(std::min(kGoodbyeTimeout, options_.close_timeout));
  close_timer_.async_wait([this](error_code error) {
    if (!error && !over_) shut_down(make_failure(ErrorKind::closed, "the client is closed"));
  });
}

void Core::shut_down(const std::exception_ptr& why) {
  if (over_) return;
  over_ = why;
  calls_.fail_all(why);
  gets_.fail_all(why);
  for (Publisher* const publisher : publishers_) publisher->fail_all(why);
  requester_.fail_all(why);
  for (const std::uint16_t number : consumer_numbers()) consumers_.at(number)->end(why);
  lose_link(why);
  for (const std::uint16_t number : consumer_numbers()) remove_channel(number);
  if (connecting_) connecting_->close();
  reconnect_timer_.cancel();
  deadline_timer_.cancel();
  close_timer_.cancel();
  inbox_.stop();
  for (ConnectWaiter& waiter : std::exchange(connect_waiters_, {})) waiter.done(why, this);
  for (auto& waiter : std::exchange(close_waiters_, {})) waiter(nullptr, this);
  flush_finished();
}

// -- Deadlines
// --------------------------------------------------------------------------------------------------------

Clock::time_point Core::deadline(std::chrono::milliseconds timeout) const {
  return Clock::now() + (timeout.count() > 0 ? timeout : options_.operation_timeout);
}

// A timer for all: it runs while anything is under way, so an idle client uses no processor.
void Core::watch_deadlines() {
  if (watching_deadlines_ || over_) return;
  watching_deadlines_ = true;
  deadline_timer_.expires_after(kDeadlineTick);
  deadline_timer_.async_wait([this](error_code error) {
    watching_deadlines_ = false;
    if (!error && !over_) expire();
  });
}

void Core::expire() {
  const auto now = Clock::now();
  const std::string state = link_ ? std::string() : connection_state();
  calls_.expire(now, state);
  gets_.expire(now, state);
  for (Publisher* const publisher : publishers_) publisher->expire(now, state);
  requester_.expire(now, state);
  end_connects([now](const ConnectWaiter& waiter) { return waiter.deadline <= now; },
               link_ ? make_failure(ErrorKind::timed_out, "the connection was not ready in time")
                     : make_failure(ErrorKind::not_connected, state));
  bool starting = false;
  for (const std::uint16_t number : consumer_numbers()) {
    consumers_.at(number)->expire(now, state);
    const auto at = consumers_.find(number);
    starting |= at != consumers_.end() && !at->second->is_started();
  }
  if (closing_down_) finish_close();
  flush_finished();
  if (!idle() || starting || !connect_waiters_.empty()) watch_deadlines();
}

// -- What other threads ask for
// ---------------------------------------------------------------------------------------

std::string Core::make_name(std::string_view prefix) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, next_id()).ptr;
  std::string name;
  name.reserve(prefix.size() + name_prefix_.size() + sizeof digits + 2);
  name.append(prefix).append(1, '.').append(name_prefix_).append(1, '.').append(digits, end);
  return name;
}

bool Core::reserve_pending(std::size_t bytes) noexcept {
  const std::size_t messages = pending_messages_.fetch_add(1, std::memory_order_relaxed);
  const std::size_t total = pending_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  // One message is always let through, however large.
  if (messages == 0 ||
      (messages < options_.pending_messages_max && total + bytes <= options_.pending_bytes_max))
    return true;
  release_pending(bytes);
  return false;
}

void Core::release_pending(std::size_t bytes) noexcept {
  pending_messages_.fetch_sub(1, std::memory_order_relaxed);
  pending_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
}

ServerInfo Core::server_info() const {
  const std::lock_guard lock(server_info_mutex_);
  return server_info_;
}

void Core::submit(Task task) {
  if (inbox_.put(std::move(task))) wake();
}

void Core::submit(std::unique_ptr<Publish> publish) {
  if (inbox_.put(std::move(publish))) wake();
}

void Core::submit(Settlement settlement) noexcept {
  if (ended_) return;
  if (inbox_.put(settlement)) wake();
}

void Core::wake() {
  asio::post(context_, [this] { drain(); });
  if (!ended_) return;
  const std::lock_guard lock(ended_mutex_);
  drain();
}

void Core::end() {
  ended_ = true;
  const std::lock_guard lock(ended_mutex_);
  if (!over_) shut_down(make_failure(ErrorKind::closed, "the client is closed"));
  drain();
}

void Core::settle_all(const std::vector<Settlement>& settlements) {
  for (const Settlement& settlement : settlements) {
    Channel* const to = channel(settlement.channel);
    if (!link_ || !to || !to->is_open() || to->epoch() != settlement.epoch) continue;
    to->settle(settlement);
    if (settled_channels_.empty() || settled_channels_.back() != to) settled_channels_.push_back(to);
  }
  for (Channel* const to : settled_channels_) to->settled();
  settled_channels_.clear();
}

void Core::start(Publisher& publisher, std::unique_ptr<Publish> publish) {
  if (!over_) return publisher.start(std::move(publish));
  release_pending(publish->bytes());
  publish->done.fail(over_, this);
}

void Core::send(Publisher& publisher) {
  if (ready_ && !publisher.is_open())
    publisher.open();
  else
    publisher.pump();
  watch_deadlines();
}

void Core::publish_aside(std::unique_ptr<Publish> publish) {
  if (aside_.number() == 0) aside_.set_number(free_channel());
  if (aside_.number() == 0) {
    release_pending(publish->bytes());
    return publish->done.fail(make_failure(ErrorKind::overloaded, kNoChannel), this);
  }
  start(aside_, std::move(publish));
  send(aside_);
}

void Core::drain() {
  Inbox::Batch& batch = inbox_.take();
  settle_all(batch.settlements);
  for (Task& task : batch.tasks) task();
  if (!batch.publishes.empty()) {
    for (auto& publish : batch.publishes) start(publisher_, std::move(publish));
    send(publisher_);
  }
  if (link_) link_->flush();
  if (closing_down_) finish_close();
  flush_finished();
  inbox_.finish(publisher_.under_way(), link_ && !over_ && !ended_);
}

void Core::flush_finished() {
  if (finished_.empty()) return;
  asio::post(callbacks_, FinishedBatch{std::exchange(finished_, {}), callbacks_});
}

}  // namespace millrace::client
