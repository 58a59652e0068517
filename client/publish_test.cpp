// Publishing: what completes a publish, what fails it, and what is sent again.
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <future>
#include <vector>

#include "client/scripted_peer_test.hpp"
#include "client/src/encoded.hpp"
#include "millrace/millrace.hpp"

namespace millrace {
namespace {

using client_test::Greeting;
using client_test::Published;
using client_test::ScriptedPeer;
namespace amqp = amqp091;

ClientOptions options_for(const ScriptedPeer& peer) {
  ClientOptions options(peer.url());
  options.backoff_min = std::chrono::milliseconds(1);
  options.close_timeout = std::chrono::milliseconds(50);
  return options;
}

ErrorKind kind_of(std::future<Receipt>& future) {
  try {
    future.get();
    return ErrorKind::none;
  } catch (const ClientError& error) {
    return error.kind();
  }
}

std::string text_of(std::future<Receipt>& future) {
  try {
    future.get();
    return {};
  } catch (const ClientError& error) {
    return error.what();
  }
}

std::future<ErrorKind> publish_aside(Client& client, const std::string& exchange) {
  auto told = std::make_shared<std::promise<ErrorKind>>();
  client::publish_aside(
      client, Address(exchange, "k"), Message("y"),
      detail::Completion<>([told](const Failure& failure) { told->set_value(failure.kind()); },
                           client.executor()));
  return told->get_future();
}

struct Publishing : testing::Test {
  ScriptedPeer peer;
  ClientOptions options = options_for(peer);
  std::uint16_t channel = 0;

  // The peer has logged the client in and has seen it publish.
  void open_channel(const Greeting& greeting = {}) {
    peer.accept_client(greeting);
    channel = peer.expect_publisher();
  }
  void ack(std::uint64_t tag, bool multiple = false) { peer.send(channel, amqp::basic::Ack{tag, multiple}); }
  void nack(std::uint64_t tag) { peer.send(channel, amqp::basic::Nack{tag, false, false}); }
};

TEST_F(Publishing, completes_when_the_broker_confirms_and_not_before) {
  Client client(options);
  auto receipt = client.async_publish("orders", "one", use_future);
  open_channel();
  const Published published = peer.expect_publish();
  EXPECT_EQ(published.exchange, "");
  EXPECT_EQ(published.routing_key, "orders");
  EXPECT_EQ(published.body, "one");
  EXPECT_TRUE(published.mandatory);
  EXPECT_FALSE(published.message_id.empty());
  EXPECT_EQ(receipt.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  ack(1);
  const Receipt got = receipt.get();
  EXPECT_EQ(got.message_id, published.message_id);
  EXPECT_EQ(got.attempts, 1u);
}

TEST_F(Publishing, serves_callback_future_promise_and_coroutine_by_the_same_function) {
  Client client(options);
  std::promise<std::uint32_t> called;
  client.async_publish("q", "callback", [&](Failure failure, const Receipt& receipt) {
    called.set_value(failure ? 0 : receipt.attempts);
  });
  auto future = client.async_publish("q", "future", use_future);
  auto promise = client.async_publish("q", "promise", use_promise).then([](const Receipt& receipt) {
    return receipt.attempts + 1;
  });
  boost::asio::io_context context;
  std::vector<unsigned> attempts;
  auto coroutine = [&]() -> awaitable<void> {
    const Receipt first = co_await client.async_publish("q", "default token");
    attempts.push_back(first.attempts);
    auto [error, second] = co_await client.async_publish("q", "as tuple", as_tuple(use_awaitable));
    attempts.push_back(error ? 0 : second.attempts);
  };
  co_spawn(context, coroutine(), detached);
  std::thread running([&] { context.run(); });
  open_channel();
  for (std::uint64_t tag = 1; tag <= 5; ++tag) {
    peer.expect_publish();
    ack(tag);
  }
  running.join();
  EXPECT_EQ(called.get_future().get(), 1u);
  EXPECT_EQ(future.get().attempts, 1u);
  EXPECT_EQ(promise.get(), 2u);
  EXPECT_EQ(attempts, (std::vector<unsigned>{1, 1}));
}

TEST_F(Publishing, waits_for_two_at_once_and_for_the_first_of_publish_and_timer) {
  using namespace boost::asio::experimental::awaitable_operators;
  Client client(options);
  boost::asio::io_context context;
  bool both = false;
  std::size_t winner = 0;
  auto coroutine = [&]() -> awaitable<void> {
    co_await (client.async_publish("q", "a", use_awaitable) && client.async_publish("q", "b", use_awaitable));
    both = true;
    boost::asio::steady_timer timer(context, std::chrono::milliseconds(20));
    const auto outcome = co_await (client.async_publish("q", "never confirmed", use_awaitable) ||
                                   timer.async_wait(use_awaitable));
    winner = outcome.index();
  };
  co_spawn(context, coroutine(), detached);
  std::thread running([&] { context.run(); });
  open_channel();
  peer.expect_publish();
  peer.expect_publish();
  ack(2, true);
  peer.expect_publish();
  running.join();
  EXPECT_TRUE(both);
  EXPECT_EQ(winner, 1u);  // the timer, and the publish was cancelled
}

TEST_F(Publishing, takes_confirms_of_many_and_out_of_order) {
  Client client(options);
  std::vector<std::future<Receipt>> receipts;
  for (int i = 0; i < 5; ++i) receipts.push_back(client.async_publish("q", std::to_string(i), use_future));
  open_channel();
  for (int i = 0; i < 5; ++i) peer.expect_publish();
  ack(4);
  EXPECT_EQ(kind_of(receipts[3]), ErrorKind::none);
  EXPECT_EQ(receipts[0].wait_for(std::chrono::milliseconds(30)), std::future_status::timeout);
  ack(3, true);
  for (const int i : {0, 1, 2}) EXPECT_EQ(kind_of(receipts[static_cast<std::size_t>(i)]), ErrorKind::none);
  ack(0, true);
  EXPECT_EQ(kind_of(receipts[4]), ErrorKind::none);
}

TEST_F(Publishing, sends_no_more_than_the_window_without_confirms) {
  options.confirm_window = 2;
  Client client(options);
  std::vector<std::future<Receipt>> receipts;
  for (int i = 0; i < 3; ++i) receipts.push_back(client.async_publish("q", std::to_string(i), use_future));
  open_channel();
  peer.expect_publish();
  peer.expect_publish();
  EXPECT_TRUE(peer.is_silent_for(60));
  ack(1);
  EXPECT_EQ(peer.expect_publish().body, "2");
  ack(3, true);
  for (auto& receipt : receipts) EXPECT_EQ(kind_of(receipt), ErrorKind::none);
}

TEST_F(Publishing, sends_a_refused_message_again_and_gives_up_after_the_retries) {
  options.publish_retries = 1;
  options.retry_pause = std::chrono::milliseconds(1);
  Client client(options);
  auto first = client.async_publish("q", "again", use_future);
  open_channel();
  peer.expect_publish();
  nack(1);
  EXPECT_EQ(peer.expect_publish().body, "again");
  ack(2);
  EXPECT_EQ(first.get().attempts, 2u);

  auto second = client.async_publish("q", "never", use_future);
  peer.expect_publish();
  nack(3);
  peer.expect_publish();
  nack(4);
  EXPECT_EQ(kind_of(second), ErrorKind::rejected);
}

TEST_F(Publishing, fails_a_message_that_no_queue_took_and_says_what_to_do) {
  Client client(options);
  auto lost = client.async_publish("nowhere", "x", use_future);
  auto found = client.async_publish("q", "y", use_future);
  open_channel();
  const Published published = peer.expect_publish();
  peer.expect_publish();
  peer.return_message(published, 312, "NO_ROUTE");
  ack(2, true);
  const std::string text = text_of(lost);
  EXPECT_NE(text.find("queue 'nowhere'"), std::string::npos) << text;
  EXPECT_NE(text.find("declare the queue first"), std::string::npos) << text;
  EXPECT_EQ(kind_of(found), ErrorKind::none);
}

TEST_F(Publishing, fails_only_the_message_that_made_the_broker_close_the_channel) {
  Client client(options);
  std::vector<std::future<Receipt>> receipts;
  receipts.push_back(client.async_publish("q", "0", use_future));
  receipts.push_back(client.async_publish(Address("missing", "key"), "1", use_future));
  receipts.push_back(client.async_publish("q", "2", use_future));
  open_channel();
  for (int i = 0; i < 3; ++i) peer.expect_publish();
  const amqp::channel::Close missing{404, "NOT_FOUND - no exchange 'missing' in vhost '/'", 60, 40};
  peer.send(channel, missing);
  peer.expect<amqp::channel::CloseOk>();

  // All three are suspect: they come one at a time.
  channel = peer.expect_publisher();
  EXPECT_EQ(peer.expect_publish().body, "0");
  EXPECT_TRUE(peer.is_silent_for(40));
  ack(1);
  EXPECT_EQ(peer.expect_publish().body, "1");
  peer.send(channel, missing);
  peer.expect<amqp::channel::CloseOk>();
  channel = peer.expect_publisher();
  EXPECT_EQ(peer.expect_publish().body, "2");
  ack(1);
  EXPECT_EQ(kind_of(receipts[0]), ErrorKind::none);
  EXPECT_EQ(kind_of(receipts[1]), ErrorKind::not_found);
  EXPECT_EQ(kind_of(receipts[2]), ErrorKind::none);
}

TEST_F(Publishing, sends_what_is_not_confirmed_again_in_order_after_the_connection_broke) {
  Client client(options);
  std::vector<std::future<Receipt>> receipts;
  for (int i = 0; i < 3; ++i) receipts.push_back(client.async_publish("q", std::to_string(i), use_future));
  open_channel();
  std::string id;
  for (int i = 0; i < 3; ++i) id = peer.expect_publish().message_id;
  ack(1);
  EXPECT_EQ(kind_of(receipts[0]), ErrorKind::none);
  peer.hang_up();
  open_channel();
  EXPECT_EQ(peer.expect_publish().body, "1");
  const Published again = peer.expect_publish();
  EXPECT_EQ(again.body, "2");
  EXPECT_EQ(again.message_id, id);  // by which a consumer knows it
  ack(2, true);
  EXPECT_EQ(kind_of(receipts[1]), ErrorKind::none);
  EXPECT_EQ(receipts[2].get().attempts, 2u);
}

TEST_F(Publishing, aside_is_refused_without_a_word_to_the_others) {
  Client client(options);
  auto receipt = client.async_publish("q", "x", use_future);
  open_channel();
  peer.expect_publish();
  auto refused = publish_aside(client, "missing");
  const std::uint16_t other = peer.expect_publisher();
  EXPECT_NE(other, channel);
  EXPECT_EQ(peer.expect_publish().exchange, "missing");
  peer.send(other, amqp::channel::Close{404, "NOT_FOUND - no exchange 'missing' in vhost '/'", 60, 40});
  peer.expect<amqp::channel::CloseOk>();
  EXPECT_EQ(refused.get(), ErrorKind::not_found);
  EXPECT_EQ(peer.expect_publisher(), other);
  ack(1);
  EXPECT_EQ(receipt.get().attempts, 1u) << "what is published otherwise is not sent again";
  auto taken = publish_aside(client, "there");
  const Published published = peer.expect_publish();
  EXPECT_EQ(published.channel, other);
  peer.hang_up();  // before it is confirmed
  peer.accept_client();
  EXPECT_EQ(peer.expect_publisher(), other);
  EXPECT_EQ(peer.expect_publish().message_id, published.message_id);
  peer.send(other, amqp::basic::Ack{1, false});
  EXPECT_EQ(taken.get(), ErrorKind::none);
}

TEST_F(Publishing, aside_is_given_up_when_the_user_may_have_no_more_channels) {
  Client client(options);
  auto refused = publish_aside(client, "there");
  peer.accept_client();
  peer.expect_publisher();
  peer.expect_publish();
  peer.send(0, amqp::connection::Close{530, "NOT_ALLOWED - as many channels as user 'guest' may have", 0, 0});
  EXPECT_EQ(refused.get(), ErrorKind::not_allowed);
  peer.accept_client();
  EXPECT_TRUE(peer.is_silent_for(20)) << "it is not opened again for that";
}

TEST_F(Publishing, aside_takes_no_channel_where_there_is_none) {
  Client client(options);
  Greeting greeting;
  greeting.channel_max = 4;
  peer.accept_client(greeting);
  client.connect();
  EXPECT_EQ(publish_aside(client, "there").get(), ErrorKind::overloaded);
  EXPECT_TRUE(peer.is_silent_for(20));
}

TEST_F(Publishing, holds_back_while_the_broker_blocks_publishers) {
  std::vector<EventKind> events;
  std::promise<void> unblocked;
  Client client(options);
  client.on_event([&](const Event& event) {
    events.push_back(event.kind);
    if (event.kind == EventKind::unblocked) unblocked.set_value();
  });
  auto first = client.async_publish("q", "first", use_future);
  open_channel();
  peer.expect_publish();
  peer.send(0, amqp::connection::Blocked{"low on memory"});
  ack(1);
  first.get();
  auto second = client.async_publish("q", "second", use_future);
  EXPECT_TRUE(peer.is_silent_for(60));
  peer.send(0, amqp::connection::Unblocked{});
  EXPECT_EQ(peer.expect_publish().body, "second");
  ack(2);
  EXPECT_EQ(kind_of(second), ErrorKind::none);
  unblocked.get_future().wait();
  EXPECT_EQ(events, (std::vector{EventKind::connected, EventKind::blocked, EventKind::unblocked}));
}

TEST_F(Publishing, fails_at_its_deadline_when_no_confirm_comes) {
  Client client(options);
  Message message("x");
  message.timeout = std::chrono::milliseconds(30);
  auto receipt = client.async_publish("q", message, use_future);
  open_channel();
  peer.expect_publish();
  EXPECT_EQ(kind_of(receipt), ErrorKind::timed_out);
  ack(1);  // too late, and harmless
  auto next = client.async_publish("q", "y", use_future);
  peer.expect_publish();
  ack(2);
  EXPECT_EQ(kind_of(next), ErrorKind::none);
}

TEST_F(Publishing, says_why_there_is_no_connection_when_it_could_not_be_sent_in_time) {
  ClientOptions nobody("amqp://127.0.0.1:1");
  nobody.operation_timeout = std::chrono::milliseconds(50);
  Client client(nobody);
  auto receipt = client.async_publish("q", "x", use_future);
  const std::string text = text_of(receipt);
  EXPECT_NE(text.find("127.0.0.1:1"), std::string::npos) << text;
  EXPECT_NE(text.find("is the broker running there?"), std::string::npos) << text;
}

TEST_F(Publishing, refuses_more_than_may_wait) {
  options.pending_messages_max = 2;
  Client client(options);
  auto first = client.async_publish("q", "1", use_future);
  auto second = client.async_publish("q", "2", use_future);
  auto third = client.async_publish("q", "3", use_future);
  EXPECT_EQ(kind_of(third), ErrorKind::overloaded);
  open_channel();
  peer.expect_publish();
  peer.expect_publish();
  ack(2, true);
  EXPECT_EQ(kind_of(first), ErrorKind::none);
  EXPECT_EQ(kind_of(second), ErrorKind::none);
  auto fourth = client.async_publish("q", "4", use_future);
  peer.expect_publish();
  ack(3);
  EXPECT_EQ(kind_of(fourth), ErrorKind::none);
}

TEST_F(Publishing, refuses_what_amqp_cannot_carry) {
  Client client(options);
  auto receipt = client.async_publish(std::string(256, 'q'), "x", use_future);
  EXPECT_EQ(kind_of(receipt), ErrorKind::invalid_argument);
}

TEST_F(Publishing, cuts_a_body_by_the_frame_size_agreed) {
  Client client(options);
  const std::string body(100'000, 'b');
  auto receipt = client.async_publish("q", body, use_future);
  Greeting greeting;
  greeting.frame_max = 4096;
  open_channel(greeting);
  EXPECT_EQ(peer.expect_publish().body, body);
  ack(1);
  EXPECT_EQ(kind_of(receipt), ErrorKind::none);
}

TEST_F(Publishing, gives_up_a_confirm_of_what_was_never_sent) {
  Client client(options);
  auto receipt = client.async_publish("q", "x", use_future);
  open_channel();
  peer.expect_publish();
  ack(7);
  open_channel();  // a broker that breaks the protocol is left
  peer.expect_publish();
  ack(1);
  EXPECT_EQ(receipt.get().attempts, 2u);
}

TEST_F(Publishing, close_waits_for_the_confirm) {
  options.close_timeout = std::chrono::seconds(10);
  Client client(options);
  auto receipt = client.async_publish("q", "x", use_future);
  open_channel();
  peer.expect_publish();
  auto closed = client.async_close(use_future);
  EXPECT_EQ(closed.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  ack(1);
  peer.expect<amqp::connection::Close>();
  peer.send(0, amqp::connection::CloseOk{});
  closed.get();
  EXPECT_EQ(kind_of(receipt), ErrorKind::none);
  auto late = client.async_publish("q", "y", use_future);
  EXPECT_EQ(kind_of(late), ErrorKind::closed);
}

TEST_F(Publishing, close_waits_for_what_the_io_thread_gets_together_with_it) {
  options.close_timeout = std::chrono::seconds(10);
  Client client(options);
  peer.accept_client();
  client.connect();
  std::promise<void> go_on;
  boost::asio::post(client::io_executor(client), [&] { go_on.get_future().wait(); });
  auto receipt = client.async_publish("q", "x", use_future);
  auto closed = client.async_close(use_future);
  go_on.set_value();
  channel = peer.expect_publisher();
  EXPECT_EQ(peer.expect_publish().body, "x");
  ack(1);
  peer.expect<amqp::connection::Close>();
  peer.send(0, amqp::connection::CloseOk{});
  closed.get();
  EXPECT_EQ(kind_of(receipt), ErrorKind::none);
}

TEST_F(Publishing, a_callback_may_block_on_the_client_that_calls_it) {
  std::promise<unsigned> nested;
  Client client(options);
  client.async_publish("q", "outer", [&](Failure, const Receipt&) {
    nested.set_value(client.publish("q", "inner").attempts);
  });
  open_channel();
  peer.expect_publish();
  ack(1);
  EXPECT_EQ(peer.expect_publish().body, "inner");
  ack(2);
  EXPECT_EQ(nested.get_future().get(), 1u);
}

}  // namespace
}  // namespace millrace
