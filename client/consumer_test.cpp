// Consumers, and requests with their replies.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "client/scripted_peer_test.hpp"
#include "millrace/detail/recycled.hpp"
#include "millrace/millrace.hpp"

namespace millrace {
namespace {

using client_test::Published;
using client_test::ScriptedPeer;
namespace amqp = amqp091;

struct Consuming : testing::Test {
  ScriptedPeer peer;
  ClientOptions options = options_for(peer);
  std::uint16_t channel = 0;
  std::uint16_t prefetch = 0;
  std::string tag;

  static ClientOptions options_for(const ScriptedPeer& peer) {
    ClientOptions options(peer.url());
    options.backoff_min = std::chrono::milliseconds(1);
    options.close_timeout = std::chrono::milliseconds(50);
    return options;
  }
  Consumer consume(Client& client, ConsumeOptions how = {}) {
    auto consumer = client.async_consume("queue", how, use_future);
    channel = peer.expect_consumer(&tag, &prefetch);
    return consumer.get();
  }
};

TEST_F(Consuming, gives_messages_in_order_with_all_they_carry_and_acknowledges_them) {
  Client client(options);
  peer.accept_client();
  Consumer consumer = consume(client);
  amqp::Properties properties;
  properties.content_type = "text/plain";
  properties.message_id = "m-1";
  properties.priority = 4;
  properties.expiration = "1500";
  peer.deliver(channel, tag, 1, "first", properties, true);
  peer.deliver(channel, tag, 2, std::string(10'000, 'x'));  // in several frames
  Delivery first = consumer.next();
  EXPECT_EQ(first.body(), "first");
  EXPECT_EQ(first.message().content_type, "text/plain");
  EXPECT_EQ(first.message().message_id, "m-1");
  EXPECT_EQ(first.message().priority, 4);
  EXPECT_EQ(first.message().expiration, std::chrono::milliseconds(1500));
  EXPECT_TRUE(first.redelivered());
  EXPECT_EQ(first.routing_key(), "queue");
  Delivery second = consumer.next();
  EXPECT_EQ(second.body().size(), 10'000u);
  first.ack();
  EXPECT_EQ(peer.expect<amqp::basic::Ack>().delivery_tag, 1u);
  second.reject();
  const auto reject = peer.expect<amqp::basic::Reject>();
  EXPECT_EQ(reject.delivery_tag, 2u);
  EXPECT_FALSE(reject.requeue);
}

TEST_F(Consuming, gives_back_a_message_that_nobody_settles) {
  Client client(options);
  peer.accept_client();
  Consumer consumer = consume(client);
  peer.deliver(channel, tag, 1, "dropped");
  { const Delivery dropped = consumer.next(); }
  const auto reject = peer.expect<amqp::basic::Reject>();
  EXPECT_EQ(reject.delivery_tag, 1u);
  EXPECT_TRUE(reject.requeue);
}

TEST_F(Consuming, settles_once_only) {
  Client client(options);
  peer.accept_client();
  Consumer consumer = consume(client);
  peer.deliver(channel, tag, 1, "x");
  {
    Delivery delivery = consumer.next();
    delivery.ack();
    delivery.reject();
    const Delivery moved = std::move(delivery);
  }
  peer.expect<amqp::basic::Ack>();
  EXPECT_TRUE(peer.is_silent_for(40));
}

// Whatever travels together: the broker learns of all that were acknowledged, and of none that is kept.
TEST_F(Consuming, acknowledges_several_at_once_but_none_that_is_still_worked_on) {
  constexpr std::uint64_t kMessages = 64;
  const auto seed = static_cast<unsigned>(std::chrono::steady_clock::now().time_since_epoch().count());
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  Client client(options);
  peer.accept_client();
  ConsumeOptions how;
  how.prefetch = kMessages;
  Consumer consumer = consume(client, how);
  for (std::uint64_t i = 1; i <= kMessages; ++i) peer.deliver(channel, tag, i, "x");
  std::vector<Delivery> deliveries;
  for (std::uint64_t i = 0; i < kMessages; ++i) deliveries.push_back(consumer.next());
  const std::uint64_t kept = 20 + random() % 40;
  std::vector<std::uint64_t> order;
  for (std::uint64_t i = 1; i <= kMessages; ++i)
    if (i != kept) order.push_back(i);
  // Almost in order, as workers are.
  for (std::size_t i = 0; i + 4 < order.size(); i += 4)
    std::shuffle(order.begin() + static_cast<std::ptrdiff_t>(i),
                 order.begin() + static_cast<std::ptrdiff_t>(i) + 4, random);
  for (const std::uint64_t i : order) deliveries[i - 1].ack();
  std::set<std::uint64_t> open;
  for (std::uint64_t i = 1; i <= kMessages; ++i) open.insert(i);
  while (open.size() > 1) {
    const auto ack = peer.expect<amqp::basic::Ack>();
    ASSERT_TRUE(open.contains(ack.delivery_tag)) << ack.delivery_tag;
    if (ack.multiple)
      open.erase(open.begin(), open.upper_bound(ack.delivery_tag));
    else
      open.erase(ack.delivery_tag);
    ASSERT_TRUE(open.contains(kept));
  }
  EXPECT_EQ(*open.begin(), kept);
  deliveries[kept - 1].ack();
  EXPECT_EQ(peer.expect<amqp::basic::Ack>().delivery_tag, kept);
}

TEST_F(Consuming, shows_the_body_and_where_it_came_from_without_reading_the_properties) {
  Client client(options);
  peer.accept_client();
  Consumer consumer = consume(client);
  amqp::Properties properties;
  properties.app_id = "a";
  peer.deliver(channel, tag, 1, "body", properties);
  Delivery delivery = consumer.next();
  EXPECT_EQ(delivery.body(), "body");
  EXPECT_EQ(delivery.routing_key(), "queue");
  delivery.message().body += " changed";
  EXPECT_EQ(delivery.message().app_id, "a");
  const Delivery moved = std::move(delivery);
  EXPECT_EQ(moved.body(), "body changed");
  EXPECT_FALSE(delivery);
  EXPECT_TRUE(Delivery().message().body.empty());
}

// Small ones lie with their properties, large ones by themselves.
TEST_F(Consuming, gives_bodies_of_any_size_whole_in_however_many_frames) {
  Client client(options);
  peer.accept_client();
  Consumer consumer = consume(client);
  constexpr std::size_t kBorder = detail::kRecycledLargest - sizeof amqp::kNoProperties;
  std::uint64_t delivery_tag = 0;
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kBorder - 1, kBorder, kBorder + 1}) {
    for (const std::uint32_t frame_max : {64, 4096}) {
      SCOPED_TRACE(std::to_string(size) + " bytes in frames of " + std::to_string(frame_max));
      std::string body;
      while (body.size() < size) body += static_cast<char>('a' + body.size() % 26);
      Buffer out;
      amqp::write_deliver(out, channel, tag, ++delivery_tag, false, "", "queue",
                          ByteView{amqp::kNoProperties}, as_bytes(body), frame_max);
      peer.write(out.view());
      Delivery delivery = consumer.next();
      EXPECT_EQ(delivery.body(), body);
      EXPECT_EQ(delivery.message().body, body);
    }
  }
}

TEST_F(Consuming, loses_the_connection_over_a_body_that_is_longer_than_its_header_says) {
  for (const std::size_t size : {std::size_t{5}, std::size_t{2000}}) {
    SCOPED_TRACE(size);
    Client client(options);
    peer.accept_client();
    Consumer consumer = consume(client);
    Buffer out;
    amqp::write_deliver(out, channel, tag, 1, false, "", "queue", ByteView{amqp::kNoProperties},
                        as_bytes(std::string(size, 'x')), 4096);
    std::string bytes(as_text(out.view()));
    const std::string said{0, 0, 0, 0, 0, 0, static_cast<char>(size >> 8U), static_cast<char>(size)};
    const std::size_t at = bytes.find(said);
    ASSERT_NE(at, std::string::npos);
    --bytes[at + 7];
    peer.write(as_bytes(bytes));
    peer.accept_client();
    channel = peer.expect_consumer(&tag, &prefetch);
    peer.deliver(channel, tag, 1, "after it");
    EXPECT_EQ(consumer.next().body(), "after it");
  }
}

TEST_F(Consuming, calls_a_callback_for_each_in_order_and_gives_back_what_it_throws_at) {
  std::vector<std::string> seen;
  std::promise<std::string> failure;
  Client client(options);
  peer.accept_client();
  client.on_event([&](const Event& event) {
    if (event.kind == EventKind::handler_failed) failure.set_value(event.text);
  });
  auto started = std::async(std::launch::async, [&] {
    return client.consume("queue", [&](Delivery delivery) {
      seen.push_back(delivery.body());
      if (delivery.body() == "bad") throw std::runtime_error("no");
      delivery.ack();
    });
  });
  channel = peer.expect_consumer(&tag);
  const Consumer consumer = started.get();
  peer.deliver(channel, tag, 1, "good");
  peer.deliver(channel, tag, 2, "bad");
  peer.deliver(channel, tag, 3, "better");
  EXPECT_EQ(peer.expect<amqp::basic::Ack>().delivery_tag, 1u);
  EXPECT_EQ(peer.expect<amqp::basic::Reject>().delivery_tag, 2u);
  EXPECT_EQ(peer.expect<amqp::basic::Ack>().delivery_tag, 3u);
  EXPECT_EQ(seen, (std::vector<std::string>{"good", "bad", "better"}));
  EXPECT_EQ(failure.get_future().get(), "the handler of queue 'queue' threw: no");
}

TEST_F(Consuming, is_awaited_by_a_coroutine_and_ends_it_when_the_queue_is_deleted) {
  Client client(options);
  peer.accept_client();
  Consumer consumer = consume(client);
  boost::asio::io_context context;
  std::vector<std::string> seen;
  ErrorKind end = ErrorKind::none;
  auto coroutine = [&]() -> awaitable<void> {
    try {
      for (;;) {
        Delivery delivery = co_await consumer.async_next();
        seen.push_back(delivery.body());
        delivery.ack();
      }
    } catch (const ClientError& error) {
      end = error.kind();
    }
  };
  co_spawn(context, coroutine(), detached);
  std::thread running([&] { context.run(); });
  peer.deliver(channel, tag, 1, "a");
  peer.expect<amqp::basic::Ack>();
  peer.deliver(channel, tag, 2, "b");
  peer.expect<amqp::basic::Ack>();
  peer.send(channel, amqp::basic::Cancel{tag, true});
  running.join();
  EXPECT_EQ(seen, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(end, ErrorKind::consumer_cancelled);
}

TEST_F(Consuming, tells_a_callback_s_program_when_the_broker_ends_it_and_not_when_the_program_does) {
  Client client(options);
  peer.accept_client();
  std::vector<std::string> told;
  std::promise<void> ended;
  const auto start = [&](const std::string& name) {
    auto started = std::async(std::launch::async, [&] {
      ConsumeOptions how;
      how.on_end = [&, name](const Failure& why) {
        told.push_back(name + " " + std::string(to_string(why.kind())));
        ended.set_value();
      };
      return client.consume(
          "queue", [](Delivery delivery) { delivery.ack(); }, how);
    });
    channel = peer.expect_consumer(&tag);
    return started.get();
  };
  Consumer cancelled = start("cancelled here");
  cancelled.cancel();
  EXPECT_EQ(peer.expect<amqp::basic::Cancel>().consumer_tag, tag);
  peer.send(channel, amqp::basic::CancelOk{tag});
  peer.expect<amqp::channel::Close>();
  Consumer deleted = start("deleted there");
  peer.send(channel, amqp::basic::Cancel{tag, true});
  ended.get_future().wait();
  EXPECT_EQ(told, (std::vector<std::string>{"deleted there consumer cancelled"}));
}

TEST_F(Consuming, waiting_for_a_message_can_be_cancelled_and_loses_none) {
  using namespace boost::asio::experimental::awaitable_operators;
  Client client(options);
  peer.accept_client();
  Consumer consumer = consume(client);
  boost::asio::io_context context;
  std::size_t winner = 0;
  auto coroutine = [&]() -> awaitable<void> {
    boost::asio::steady_timer timer(context, std::chrono::milliseconds(10));
    const auto outcome = co_await (consumer.async_next(use_awaitable) || timer.async_wait(use_awaitable));
    winner = outcome.index();
  };
  co_spawn(context, coroutine(), detached);
  context.run();
  EXPECT_EQ(winner, 1u);
  peer.deliver(channel, tag, 1, "later");
  EXPECT_EQ(consumer.next().body(), "later");
}

TEST_F(Consuming, chooses_a_prefetch_that_leaves_ordering_to_the_broker) {
  Client client(options);
  peer.accept_client();
  Consumer plain = consume(client);
  EXPECT_GE(prefetch, 100);
  const auto declare = [&](const char* argument, const Field& value) {
    QueueSpec queue("queue");
    queue.arguments[argument] = value;
    return client.async_declare_queue(queue, use_future);
  };
  auto declared = declare("x-max-priority", 5);
  peer.expect_channel();
  peer.answer_declare("queue");
  declared.get();
  Consumer one = consume(client);
  EXPECT_EQ(prefetch, 1);
  ConsumeOptions eight;
  eight.parallel = 8;
  Consumer parallel = consume(client, eight);
  EXPECT_EQ(prefetch, 8);
  declared = declare("x-scheduling", "fifo");
  peer.answer_declare("queue");
  declared.get();
  Consumer in_order = consume(client);
  EXPECT_GE(prefetch, 100);
  declared = declare("x-scheduling", "sjf");
  peer.answer_declare("queue");
  declared.get();
  Consumer shortest = consume(client);
  EXPECT_EQ(prefetch, 1);
}

TEST_F(Consuming, drops_what_nobody_took_and_old_acknowledgements_when_the_connection_breaks) {
  Client client(options);
  peer.accept_client();
  Consumer consumer = consume(client);
  peer.deliver(channel, tag, 1, "taken");
  peer.deliver(channel, tag, 2, "not taken");
  Delivery taken = consumer.next();
  peer.hang_up();
  peer.accept_client();
  channel = peer.expect_consumer(&tag);
  taken.ack();  // of a channel that is gone: the broker delivers it again
  peer.deliver(channel, tag, 1, "taken", {}, true);
  peer.deliver(channel, tag, 2, "not taken", {}, true);
  EXPECT_EQ(consumer.next().body(), "taken");
  EXPECT_EQ(peer.expect<amqp::basic::Reject>().delivery_tag, 1u);
  EXPECT_EQ(consumer.next().body(), "not taken");
}

TEST_F(Consuming, cancelling_lets_messages_in_hand_be_settled_before_the_channel_goes) {
  Client client(options);
  peer.accept_client();
  Consumer consumer = consume(client);
  peer.deliver(channel, tag, 1, "in hand");
  Delivery delivery = consumer.next();
  consumer.cancel();
  EXPECT_EQ(peer.expect<amqp::basic::Cancel>().consumer_tag, tag);
  peer.send(channel, amqp::basic::CancelOk{tag});
  EXPECT_TRUE(peer.is_silent_for(30));
  delivery.ack();
  peer.expect<amqp::basic::Ack>();
  peer.expect<amqp::channel::Close>();
}

TEST_F(Consuming, a_missing_queue_fails_the_consumer_alone) {
  Client client(options);
  peer.accept_client();
  auto consumer = client.async_consume("missing", ConsumeOptions(), use_future);
  std::uint16_t number = 0;
  peer.expect<amqp::channel::Open>(&number);
  peer.expect<amqp::basic::Qos>();
  peer.expect<amqp::basic::Consume>();
  peer.send(number, amqp::channel::Close{404, "NOT_FOUND - no queue 'missing' in vhost '/'", 60, 20});
  peer.expect<amqp::channel::CloseOk>();
  try {
    consumer.get();
    ADD_FAILURE() << "it consumes";
  } catch (const ClientError& error) {
    EXPECT_EQ(error.kind(), ErrorKind::not_found);
    EXPECT_EQ(error.reply_code(), 404);
    EXPECT_NE(std::string(error.what()).find("declare it first"), std::string::npos) << error.what();
  }
  consume(client);
}

TEST_F(Consuming, gets_one_message_or_none) {
  Client client(options);
  peer.accept_client();
  auto got = client.async_get("queue", use_future);
  std::uint16_t number = 0;
  peer.expect<amqp::channel::Open>(&number);
  peer.expect<amqp::basic::Get>();
  peer.send(number, amqp::channel::OpenOk{});
  Buffer out;
  amqp::write_message(out, number, amqp::basic::GetOk{5, false, "", "queue", 0},
                      ByteView{amqp::kNoProperties}, as_bytes("body"), 4096);
  peer.write(out.view());
  Delivery delivery = got.get();
  EXPECT_TRUE(delivery);
  EXPECT_EQ(delivery.body(), "body");
  delivery.ack();
  EXPECT_EQ(peer.expect<amqp::basic::Ack>().delivery_tag, 5u);
  auto empty = client.async_get("queue", use_future);
  peer.expect<amqp::basic::Get>();
  peer.send(number, amqp::basic::GetEmpty{});
  EXPECT_FALSE(empty.get());
}

struct Requesting : Consuming {
  std::uint16_t expect_requester() {
    std::uint16_t number = 0;
    peer.expect<amqp::channel::Open>(&number);
    const auto consume = peer.expect<amqp::basic::Consume>();
    EXPECT_EQ(consume.queue, "amq.rabbitmq.reply-to");
    EXPECT_TRUE(consume.no_ack);
    peer.send(number, amqp::channel::OpenOk{});
    peer.send(number, amqp::basic::ConsumeOk{"replies"});
    return number;
  }
  void reply(std::uint16_t number, const Published& request, std::string_view body) {
    amqp::Properties properties;
    properties.correlation_id = request.correlation_id;
    peer.deliver(number, "replies", 1, body, properties);
  }
};

TEST_F(Requesting, gives_each_request_its_own_reply) {
  Client client(options);
  peer.accept_client();
  auto first = client.async_request("service", "1", use_future);
  auto second = client.async_request("service", "2", use_future);
  const std::uint16_t number = expect_requester();
  const Published one = peer.expect_publish();
  const Published two = peer.expect_publish();
  EXPECT_EQ(one.reply_to, "amq.rabbitmq.reply-to");
  reply(number, two, "two");
  reply(number, one, "one");
  EXPECT_EQ(first.get().body, "one");
  EXPECT_EQ(second.get().body, "two");
}

TEST_F(Requesting, fails_when_nobody_serves_when_time_is_up_and_when_the_connection_breaks) {
  Client client(options);
  peer.accept_client();
  const auto kind = [](std::future<Message>& future) {
    try {
      future.get();
      return ErrorKind::none;
    } catch (const ClientError& error) {
      return error.kind();
    }
  };
  auto unroutable = client.async_request("nobody", "x", use_future);
  expect_requester();
  peer.return_message(peer.expect_publish(), 312, "NO_ROUTE");
  EXPECT_EQ(kind(unroutable), ErrorKind::unroutable);
  Message hurried("x");
  hurried.timeout = std::chrono::milliseconds(20);
  auto late = client.async_request("service", hurried, use_future);
  peer.expect_publish();
  EXPECT_EQ(kind(late), ErrorKind::timed_out);
  auto lost = client.async_request("service", "x", use_future);
  peer.expect_publish();
  peer.hang_up();
  EXPECT_EQ(kind(lost), ErrorKind::connection_lost);
  peer.accept_client();
}

}  // namespace
}  // namespace millrace
