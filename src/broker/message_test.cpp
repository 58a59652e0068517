#include "broker/message.hpp"

#include <gtest/gtest.h>

#include "base/prng.hpp"

namespace millrace::broker {
namespace {

std::string random_text(Prng& random, std::uint64_t below) {
  std::string text(random.below(below), ' ');
  for (char& c : text) c = static_cast<char>(random.next());
  return text;
}

std::unique_ptr<const Annotations> random_annotations(Prng& random) {
  auto annotations = std::make_unique<Annotations>();
  for (std::uint64_t i = random.below(4); i > 0; --i) {
    Death death;
    death.queue = random_text(random, 40);
    death.reason = "expired";
    death.exchange = random_text(random, 40);
    for (std::uint64_t k = random.below(3); k > 0; --k) death.routing_keys.push_back(random_text(random, 10));
    death.count = static_cast<std::int64_t>(random.below(1000));
    death.time_s = static_cast<std::int64_t>(random.next());
    if (random.one_in(2)) death.original_expiration = "60000";
    annotations->deaths.push_back(std::move(death));
  }
  annotations->first_death_queue = random_text(random, 20);
  annotations->last_death_exchange = random_text(random, 20);
  annotations->drop_expiration = random.one_in(2);
  if (random.one_in(2)) annotations->message_id = random_text(random, 40);
  if (random.one_in(2)) annotations->delayed_ms = static_cast<std::int64_t>(random.below(0xffff'ffff));
  return annotations;
}

Ref<Message> random_message(Prng& random) {
  const std::string exchange = random_text(random, 300);
  const std::string key = random_text(random, 300);
  const std::string header = random_text(random, 2000);
  const std::string body = random_text(random, 5000);
  Message::Fields fields;
  fields.origin = random.one_in(2) ? Origin::amqp091 : Origin::internal;
  fields.durable = random.one_in(2);
  fields.priority = static_cast<std::uint8_t>(random.next());
  fields.ttl_ms = random.one_in(2) ? -1 : static_cast<std::int64_t>(random.below(1'000'000));
  fields.received_ms = static_cast<std::int64_t>(random.next());
  fields.timestamp_ms = random.one_in(2) ? -1 : static_cast<std::int64_t>(random.next() >> 1);
  fields.exchange = exchange;
  fields.routing_key = key;
  fields.header = as_bytes(header);
  Ref<Message> message = Message::create(fields, as_bytes(body));
  if (random.one_in(2)) message->annotate(random_annotations(random));
  return message;
}

Buffer stored(const Message& message) {
  Buffer out;
  put_message_prefix(out, message);
  out.append(message.header());
  out.append(message.body());
  return out;
}

void expect_same(const Message& a, const Message& b) {
  EXPECT_EQ(a.origin(), b.origin());
  EXPECT_EQ(a.durable(), b.durable());
  EXPECT_EQ(a.priority(), b.priority());
  EXPECT_EQ(a.ttl_ms(), b.ttl_ms());
  EXPECT_EQ(a.received_ms(), b.received_ms());
  EXPECT_EQ(a.timestamp_ms(), b.timestamp_ms());
  EXPECT_EQ(a.exchange(), b.exchange());
  EXPECT_EQ(a.routing_key(), b.routing_key());
  EXPECT_EQ(as_text(a.header()), as_text(b.header()));
  EXPECT_EQ(as_text(a.body()), as_text(b.body()));
  ASSERT_EQ(a.annotations() == nullptr, b.annotations() == nullptr);
  if (a.annotations() == nullptr) return;
  const Annotations& x = *a.annotations();
  const Annotations& y = *b.annotations();
  EXPECT_EQ(x.deaths, y.deaths);
  EXPECT_EQ(x.first_death_queue, y.first_death_queue);
  EXPECT_EQ(x.first_death_reason, y.first_death_reason);
  EXPECT_EQ(x.first_death_exchange, y.first_death_exchange);
  EXPECT_EQ(x.last_death_queue, y.last_death_queue);
  EXPECT_EQ(x.last_death_reason, y.last_death_reason);
  EXPECT_EQ(x.last_death_exchange, y.last_death_exchange);
  EXPECT_EQ(x.drop_expiration, y.drop_expiration);
  EXPECT_EQ(x.message_id, y.message_id);
  EXPECT_EQ(x.delayed_ms, y.delayed_ms);
}

TEST(Message, keeps_what_it_was_made_of) {
  Message::Fields fields;
  fields.exchange = "orders";
  fields.routing_key = "eu.new";
  const std::uint8_t header[] = {1, 2, 3};
  fields.header = header;
  Ref<Message> message = Message::create(fields, 4);
  std::memcpy(message->body_room(), "body", 4);
  EXPECT_EQ(message->exchange(), "orders");
  EXPECT_EQ(message->routing_key(), "eu.new");
  EXPECT_EQ(message->header().size(), 3u);
  EXPECT_EQ(message->header()[2], 3);
  EXPECT_EQ(as_text(message->body()), "body");
  EXPECT_EQ(message->footprint(), sizeof(Message) + 6 + 6 + 3 + 4);
}

TEST(Message, may_be_empty) {
  const Ref<Message> message = Message::create({}, 0);
  EXPECT_EQ(message->body().size(), 0u);
  const Ref<Message> back = read_message(stored(*message).view());
  ASSERT_TRUE(back);
  expect_same(*message, *back);
}

TEST(Message, survives_a_round_trip) {
  const std::uint64_t seed = 20263;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  Prng random(seed);
  for (int round = 0; round < 500; ++round) {
    const Ref<Message> message = random_message(random);
    const Buffer bytes = stored(*message);
    const Ref<Message> back = read_message(bytes.view());
    ASSERT_TRUE(back);
    expect_same(*message, *back);
  }
}

TEST(Message, is_read_back_with_room_for_a_body_that_is_elsewhere) {
  const std::uint64_t seed = 20266;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  Prng random(seed);
  for (int round = 0; round < 100; ++round) {
    const Ref<Message> message = random_message(random);
    const Buffer bytes = stored(*message);
    const std::size_t head = bytes.size() - message->body().size();
    const Ref<Message> back = read_message_head(bytes.view().first(head));
    ASSERT_TRUE(back);
    ASSERT_EQ(back->body().size(), message->body().size());
    std::copy(message->body().begin(), message->body().end(), back->body_room());
    expect_same(*message, *back);
    EXPECT_FALSE(read_message_head(bytes.view().first(head - 1)));
    EXPECT_EQ(static_cast<bool>(read_message_head(bytes.view())), message->body().empty());
  }
}

TEST(Message, is_refused_when_cut_or_extended) {
  const std::uint64_t seed = 20264;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  Prng random(seed);
  for (int round = 0; round < 20; ++round) {
    Buffer bytes = stored(*random_message(random));
    for (std::size_t cut = 0; cut < bytes.size(); cut += 1 + random.below(16)) {
      ASSERT_FALSE(read_message(bytes.view().first(cut))) << cut;
    }
    bytes.append("x");
    ASSERT_FALSE(read_message(bytes.view()));
  }
}

TEST(Message, of_any_bytes_is_refused_or_sound) {
  const std::uint64_t seed = 20265;
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  Prng random(seed);
  for (int round = 0; round < 20'000; ++round) {
    Message::Fields fields;
    fields.exchange = "x";
    fields.routing_key = "key";
    Ref<Message> message = Message::create(fields, as_bytes("body"));
    if (random.one_in(2)) message->annotate(random_annotations(random));
    const Buffer made = stored(*message);
    std::vector<std::uint8_t> bytes(made.data(), made.data() + made.size());
    for (std::uint64_t i = 1 + random.below(4); i > 0; --i) {
      bytes[random.below(bytes.size())] = static_cast<std::uint8_t>(random.next());
    }
    if (const Ref<Message> back = read_message(bytes)) {
      // What is accepted is what is written again.
      const Buffer again = stored(*back);
      const Ref<Message> twice = read_message(again.view());
      ASSERT_TRUE(twice);
      expect_same(*back, *twice);
    }
  }
}

TEST(Message, counts_its_annotations_in_its_footprint) {
  const Ref<Message> message = Message::create({}, 10);
  const std::size_t plain = message->footprint();
  auto annotations = std::make_unique<Annotations>();
  annotations->last_death_queue = std::string(1000, 'q');
  message->annotate(std::move(annotations));
  EXPECT_GT(message->footprint(), plain + 1000);
}

}  // namespace
}  // namespace millrace::broker
