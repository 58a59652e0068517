// The connection: logging in, staying alive, coming back, and what is done again then.
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <condition_variable>
#include <future>
#include <mutex>
#include <vector>

#include "client/scripted_peer_test.hpp"
#include "millrace/millrace.hpp"

namespace millrace {
namespace {

using client_test::Greeting;
using client_test::ScriptedPeer;
namespace amqp = amqp091;

struct Connecting : testing::Test {
  ScriptedPeer peer;
  ClientOptions options = options_for(peer);

  static ClientOptions options_for(const ScriptedPeer& peer) {
    ClientOptions options(peer.url());
    options.backoff_min = std::chrono::milliseconds(1);
    options.close_timeout = std::chrono::milliseconds(50);
    return options;
  }
};

// Remembers the events of a client and waits for one.
class EventLog {
 public:
  explicit EventLog(Client& client) : client_(client) {
    id_ = client.on_event([this](const Event& event) {
      const std::lock_guard lock(mutex_);
      events_.push_back(event);
      changed_.notify_all();
    });
  }
  ~EventLog() { client_.remove_listener(id_); }
  Event wait_for(EventKind kind) {
    std::unique_lock lock(mutex_);
    Event found;
    const auto is_there = [&] {
      for (const Event& event : events_)
        if (event.kind == kind) return found = event, true;
      return false;
    };
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(20), is_there));
    return found;
  }
  bool has(EventKind kind) {
    const std::lock_guard lock(mutex_);
    return std::any_of(events_.begin(), events_.end(),
                       [&](const Event& event) { return event.kind == kind; });
  }

 private:
  Client& client_;
  ListenerId id_{};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Event> events_;
};

template <class Call>
ErrorKind kind_thrown(Call call, std::string* text = nullptr) {
  try {
    call();
    return ErrorKind::none;
  } catch (const ClientError& error) {
    if (text) *text = error.what();
    return error.kind();
  }
}

TEST_F(Connecting, logs_in_with_the_urls_user_password_and_vhost) {
  Client client("amqp://ann:p%40ss@127.0.0.1:" + std::to_string(peer.port()) + "/shop");
  auto connected = client.async_connect(use_future);
  peer.accept();
  peer.send_start();
  const auto start_ok = peer.expect<amqp::connection::StartOk>();
  EXPECT_EQ(start_ok.mechanism, "PLAIN");
  EXPECT_EQ(start_ok.response, std::string("\0ann\0p@ss", 9));
  peer.send(0, amqp::connection::Tune{2047, 131072, 60});
  EXPECT_EQ(peer.expect<amqp::connection::TuneOk>().heartbeat, 30);  // the lower of the two
  EXPECT_EQ(peer.expect<amqp::connection::Open>().virtual_host, "shop");
  peer.send(0, amqp::connection::OpenOk{});
  connected.get();
  EXPECT_EQ(client.broker().version, "4.1.0");
  EXPECT_FALSE(client.broker().is_millrace);
  peer.hang_up();
}

TEST_F(Connecting, gives_up_at_once_when_the_login_is_refused) {
  Client client(options);
  EventLog events(client);
  auto declared = client.async_declare_queue("q", use_future);
  peer.accept();
  peer.send_start();
  peer.expect<amqp::connection::StartOk>();
  peer.send(0, amqp::connection::Close{403, "ACCESS_REFUSED - Login was refused", 0, 0});
  std::string text;
  EXPECT_EQ(kind_thrown([&] { declared.get(); }, &text), ErrorKind::refused_login);
  EXPECT_NE(text.find("check user, password"), std::string::npos) << text;
  events.wait_for(EventKind::failed);
  EXPECT_FALSE(events.has(EventKind::connect_failed)) << "no other attempt follows";
  EXPECT_EQ(kind_thrown([&] { client.publish("q", "x"); }), ErrorKind::refused_login);
  EXPECT_FALSE(peer.connects_within(30));
}

TEST_F(Connecting, says_in_time_why_there_is_no_connection) {
  options.servers = {"amqp://127.0.0.1:1"};
  options.operation_timeout = std::chrono::milliseconds(200);
  Client client(options);
  std::string text;
  EXPECT_EQ(kind_thrown([&] { client.connect(); }, &text), ErrorKind::not_connected);
  EXPECT_NE(text.find("connection refused"), std::string::npos) << text;
}

TEST_F(Connecting, waiting_for_a_connection_can_be_cancelled) {
  options.servers = {"amqp://127.0.0.1:1"};
  Client client(options);
  boost::asio::cancellation_signal stop;
  std::promise<ErrorKind> told;
  client.async_connect(boost::asio::bind_cancellation_slot(
      stop.slot(), [&](const Failure& failure) { told.set_value(failure.kind()); }));
  stop.emit(boost::asio::cancellation_type::terminal);
  EXPECT_EQ(told.get_future().get(), ErrorKind::cancelled);
}

TEST_F(Connecting, takes_a_closed_socket_in_the_login_for_a_refusal) {
  Client client(options);
  auto connected = client.async_connect(use_future);
  peer.accept();
  peer.send_start();
  peer.expect<amqp::connection::StartOk>();
  peer.hang_up();
  EXPECT_EQ(kind_thrown([&] { connected.get(); }), ErrorKind::refused_login);
}

TEST_F(Connecting, says_that_a_port_speaks_something_else) {
  Client client(options);
  auto connected = client.async_connect(use_future);
  peer.accept();
  peer.write(as_bytes("HTTP/1.1 400 Bad Request\r\n\r\n"));
  EXPECT_EQ(kind_thrown([&] { connected.get(); }), ErrorKind::protocol);
}

TEST_F(Connecting, tries_the_next_server_when_one_is_down) {
  options.servers = {"amqp://127.0.0.1:1", peer.url()};
  Client client(options);
  EventLog events(client);
  auto connected = client.async_connect(use_future);
  peer.accept_client();
  connected.get();
  const Event failed = events.wait_for(EventKind::connect_failed);
  EXPECT_EQ(failed.server, "127.0.0.1:1");
  EXPECT_EQ(client.broker().address, "127.0.0.1:" + std::to_string(peer.port()));
}

TEST_F(Connecting, leaves_a_server_that_does_not_answer_within_the_connect_timeout) {
  options.connect_timeout = std::chrono::seconds(1);  // the second login has to be through in that as well
  Client client(options);
  EventLog events(client);
  peer.accept();
  const Event failed = events.wait_for(EventKind::connect_failed);
  EXPECT_NE(failed.text.find("no answer within 1000 ms"), std::string::npos) << failed.text;
  peer.accept_client();  // and tries again
  client.connect();
}

TEST_F(Connecting, waits_longer_after_each_failure) {
  options.servers = {"amqp://127.0.0.1:1"};
  options.backoff_min = std::chrono::milliseconds(20);
  options.backoff_max = std::chrono::milliseconds(80);
  std::mutex mutex;
  std::vector<std::chrono::steady_clock::time_point> times;
  {
    Client client(options);
    client.on_event([&](const Event&) {
      const std::lock_guard lock(mutex);
      times.push_back(std::chrono::steady_clock::now());
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(400));
  }
  const std::lock_guard lock(mutex);
  ASSERT_GE(times.size(), 3u);
  EXPECT_LE(times.size(), 14u);  // at most 20 + 40 + 11 pauses of at least 40
  for (std::size_t i = 2; i < times.size(); ++i)
    EXPECT_GE(times[i] - times[i - 1], std::chrono::milliseconds(20)) << i;
}

TEST_F(Connecting, sends_heartbeats_and_leaves_a_peer_that_sends_none) {
  options.heartbeat = std::chrono::seconds(1);
  Client client(options);
  EventLog events(client);
  Greeting greeting;
  greeting.heartbeat = 5;
  peer.accept_client(greeting);
  peer.expect_heartbeat();
  peer.expect_heartbeat();
  const Event lost = events.wait_for(EventKind::disconnected);
  EXPECT_NE(lost.text.find("no sign of life"), std::string::npos) << lost.text;
  peer.accept_client(greeting);
}

TEST_F(Connecting, declares_again_and_consumes_again_after_a_loss_before_it_publishes_again) {
  Client client(options);
  auto queue = client.async_declare_queue("orders", use_future);
  auto exchange = client.async_declare_exchange(ExchangeSpec("events", "topic"), use_future);
  auto bound = client.async_bind(BindingSpec("events", "orders", "order.*"), use_future);
  peer.accept_client();
  peer.expect_channel();
  peer.answer_declare("orders");
  std::uint16_t calls = 0;
  peer.expect<amqp::exchange::Declare>(&calls);
  peer.send(calls, amqp::exchange::DeclareOk{});
  peer.expect<amqp::queue::Bind>();
  peer.send(calls, amqp::queue::BindOk{});
  queue.get();
  exchange.get();
  bound.get();
  auto consumer = client.async_consume("orders", ConsumeOptions(), use_future);
  peer.expect_consumer();
  const Consumer held = consumer.get();
  auto receipt = client.async_publish(Address("events", "order.new"), "x", use_future);
  peer.expect_publisher();
  peer.expect_publish();
  peer.hang_up();

  peer.accept_client();
  peer.expect_channel();
  EXPECT_EQ(peer.expect<amqp::exchange::Declare>(&calls).exchange, "events");
  EXPECT_EQ(peer.expect<amqp::queue::Declare>().queue, "orders");
  EXPECT_EQ(peer.expect<amqp::queue::Bind>().routing_key, "order.*");
  EXPECT_TRUE(peer.is_silent_for(30));  // nothing is published into what may not be there yet
  peer.send(calls, amqp::exchange::DeclareOk{});
  peer.send(calls, amqp::queue::DeclareOk{"orders", 0, 0});
  peer.send(calls, amqp::queue::BindOk{});
  const std::uint16_t publisher = peer.expect_publisher();
  EXPECT_EQ(peer.expect_publish().body, "x");
  peer.expect_consumer();
  peer.send(publisher, amqp::basic::Ack{1, false});
  EXPECT_EQ(receipt.get().attempts, 2u);
}

TEST_F(Connecting, declares_once_what_is_not_to_be_declared_again) {
  Client client(options);
  QueueSpec brief("brief");
  brief.declare_again = false;
  auto once = client.async_declare_queue(brief, use_future);
  auto always = client.async_declare_queue("always", use_future);
  peer.accept_client();
  peer.expect_channel();
  peer.answer_declare("brief");
  peer.answer_declare("always");
  once.get();
  always.get();
  peer.hang_up();
  peer.accept_client();
  peer.expect_channel();
  peer.answer_declare("always");
  EXPECT_TRUE(peer.is_silent_for(30));
}

TEST_F(Connecting, goes_on_with_the_rest_when_something_cannot_be_declared_again) {
  Client client(options);
  EventLog events(client);
  auto first = client.async_declare_queue("first", use_future);
  auto second = client.async_declare_queue("second", use_future);
  peer.accept_client();
  peer.expect_channel();
  peer.answer_declare("first");
  peer.answer_declare("second");
  first.get();
  second.get();
  peer.hang_up();
  peer.accept_client();
  peer.expect_channel();
  std::uint16_t calls = 0;
  EXPECT_EQ(peer.expect<amqp::queue::Declare>(&calls).queue, "first");
  peer.expect<amqp::queue::Declare>();
  peer.send(calls, amqp::channel::Close{406, "PRECONDITION_FAILED - inequivalent arg 'durable'", 50, 10});
  peer.expect<amqp::channel::CloseOk>();
  peer.expect_channel();
  peer.answer_declare("second");
  const Event event = events.wait_for(EventKind::recovery_failed);
  EXPECT_NE(event.text.find("declaring queue 'first' again"), std::string::npos) << event.text;
  events.wait_for(EventKind::connected);
}

TEST_F(Connecting, fails_only_the_declaration_that_is_refused_and_asks_the_others_again) {
  Client client(options);
  auto refused = client.async_declare_queue("taken", use_future);
  auto fine = client.async_declare_queue("fine", use_future);
  peer.accept_client();
  peer.expect_channel();
  std::uint16_t calls = 0;
  peer.expect<amqp::queue::Declare>(&calls);
  peer.expect<amqp::queue::Declare>();
  peer.send(calls, amqp::channel::Close{
                       406, "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'taken'", 50, 10});
  peer.expect<amqp::channel::CloseOk>();
  peer.expect_channel();
  peer.answer_declare("fine");
  std::string text;
  EXPECT_EQ(kind_thrown([&] { refused.get(); }, &text), ErrorKind::precondition);
  EXPECT_NE(text.find("delete it first"), std::string::npos) << text;
  EXPECT_EQ(fine.get().name, "fine");
}

TEST_F(Connecting, does_not_repeat_the_call_that_made_the_broker_close_the_connection) {
  Client client(options);
  auto refused = client.async_declare_exchange(ExchangeSpec("e", "x-unknown"), use_future);
  auto fine = client.async_declare_queue("fine", use_future);
  peer.accept_client();
  peer.expect_channel();
  peer.expect<amqp::exchange::Declare>();
  peer.expect<amqp::queue::Declare>();
  peer.send(0, amqp::connection::Close{503, "COMMAND_INVALID - unknown exchange type 'x-unknown'", 40, 10});
  peer.expect<amqp::connection::CloseOk>();
  EXPECT_EQ(kind_thrown([&] { refused.get(); }), ErrorKind::not_supported);
  peer.accept_client();
  peer.expect_channel();
  peer.answer_declare("fine");
  fine.get();
}

TEST_F(Connecting, an_unanswered_call_fails_at_its_deadline_and_its_answer_is_not_taken_for_another) {
  options.operation_timeout = std::chrono::seconds(1);  // of which logging in may take some
  Client client(options);
  auto slow = client.async_declare_queue("slow", use_future);
  peer.accept_client();
  peer.expect_channel();
  std::uint16_t calls = 0;
  peer.expect<amqp::queue::Declare>(&calls);
  EXPECT_EQ(kind_thrown([&] { slow.get(); }), ErrorKind::timed_out);
  auto next = client.async_declare_queue("next", use_future);
  peer.expect<amqp::queue::Declare>();
  peer.send(calls, amqp::queue::DeclareOk{"slow", 0, 0});
  peer.send(calls, amqp::queue::DeclareOk{"next", 7, 0});
  EXPECT_EQ(next.get().messages, 7u);
}

TEST_F(Connecting, needs_millrace_for_what_only_millrace_does) {
  Client client(options);
  auto connected = client.async_connect(use_future);
  peer.accept_client();
  connected.get();
  std::string text;
  EXPECT_EQ(kind_thrown([&] { client.require_millrace("a ranked queue"); }, &text), ErrorKind::not_supported);
  EXPECT_NE(text.find("a ranked queue needs a Millrace broker"), std::string::npos) << text;
}

TEST_F(Connecting, knows_millrace_by_its_platform) {
  Client client(options);
  auto connected = client.async_connect(use_future);
  Greeting greeting;
  greeting.platform = "Millrace";
  peer.accept_client(greeting);
  connected.get();
  EXPECT_TRUE(client.broker().is_millrace);
  client.require_millrace("a ranked queue");
}

TEST_F(Connecting, tells_listeners_until_they_are_removed) {
  std::atomic<int> removed_calls{0};
  Client client(options);
  const ListenerId removed = client.on_event([&](const Event&) { ++removed_calls; });
  EXPECT_TRUE(client.remove_listener(removed));
  EXPECT_FALSE(client.remove_listener(removed));
  EventLog events(client);
  peer.accept_client();
  events.wait_for(EventKind::connected);
  EXPECT_EQ(removed_calls, 0);
}

TEST_F(Connecting, its_destruction_ends_what_is_under_way) {
  std::future<QueueInfo> declared;
  {
    Client client(options);
    declared = client.async_declare_queue("q", use_future);
    peer.accept_client();
  }
  EXPECT_EQ(kind_thrown([&] { declared.get(); }), ErrorKind::closed);
}

TEST(ServerAddress, says_what_is_wrong_with_it) {
  for (const char* url : {"http://localhost", "amqp://localhost:port", "amqp://localhost:70000",
                          "amqp://h/a/b", "amqp://h/%2"}) {
    std::string text;
    EXPECT_EQ(kind_thrown([&] { Client client{ClientOptions(url)}; }, &text), ErrorKind::invalid_argument)
        << url;
    EXPECT_NE(text.find("amqp://user:password@host:port/vhost"), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace millrace
