#include "broker/trace.hpp"

#include <gtest/gtest.h>

namespace millrace::broker {
namespace {

MessageRef message_of(std::string_view routing_key, std::vector<std::string> died_with = {}) {
  Message::Fields fields;
  fields.routing_key = routing_key;
  Ref<Message> message = Message::create(fields, ByteView());
  if (!died_with.empty()) {
    auto annotations = std::make_unique<Annotations>();
    annotations->deaths.resize(1);
    annotations->deaths[0].routing_keys = std::move(died_with);
    message->annotate(std::move(annotations));
  }
  return message;
}

// Ids as their text in the header block.
class FakeFormat final : public MessageFormat {
 public:
  void headers(const Message&, HeaderVisitor&) const override {}
  std::optional<Value> header(const Message&, std::string_view) const override { return {}; }
  std::optional<std::string> message_id(const Message&) const override { return id; }
  std::optional<std::string> correlation_id(const Message&) const override { return correlation; }
  std::optional<std::string> expiration_text(const Message&) const override { return {}; }
  std::optional<std::string> property(const Message&, std::string_view) const override { return {}; }
  std::optional<std::string> id, correlation;
};

TEST(TopicMatches, as_a_topic_exchange_does) {
  EXPECT_TRUE(topic_matches("a.b", "a.b"));
  EXPECT_FALSE(topic_matches("a.b", "a.b.c"));
  EXPECT_FALSE(topic_matches("a.b.c", "a.b"));
  EXPECT_TRUE(topic_matches("a.*", "a.b"));
  EXPECT_FALSE(topic_matches("a.*", "a"));
  EXPECT_TRUE(topic_matches("a.#", "a"));
  EXPECT_TRUE(topic_matches("#", ""));
  EXPECT_TRUE(topic_matches("#.c", "a.b.c"));
  EXPECT_TRUE(topic_matches("#.b.#.d", "a.b.b.c.d"));
  EXPECT_FALSE(topic_matches("#.b.#.d", "a.c.c.d"));
  EXPECT_TRUE(topic_matches("*..b", "a..b"));
  EXPECT_TRUE(topic_matches("", ""));
}

TEST(TopicMatches, in_time_that_grows_with_the_texts_alone) {
  std::string pattern, key;
  for (int i = 0; i < 80; ++i) pattern += "#.a.";
  for (int i = 0; i < 120; ++i) key += "a.";
  EXPECT_FALSE(topic_matches(pattern + "b", key + "c"));
}

TEST(TraceFilter, wants_what_all_of_it_holds_for) {
  FakeFormat format;
  format.id = "m1";
  format.correlation = "c1";
  const MessageRef message = message_of("orders.eu");
  EXPECT_TRUE(TraceFilter{}.wants("/", *message, format));
  EXPECT_TRUE((TraceFilter{"/", "m1", "c1", "orders.*"}.wants("/", *message, format)));
  EXPECT_FALSE((TraceFilter{"other", {}, {}, {}}.wants("/", *message, format)));
  EXPECT_FALSE((TraceFilter{"", "m2", {}, {}}.wants("/", *message, format)));
  EXPECT_FALSE((TraceFilter{"", "m1", "c2", {}}.wants("/", *message, format)));
  EXPECT_FALSE((TraceFilter{"", {}, {}, "orders"}.wants("/", *message, format)));
  format.id.reset();
  EXPECT_FALSE((TraceFilter{"", "", {}, {}}.wants("/", *message, format)));
}

TEST(TraceFilter, finds_a_dead_letter_by_the_key_that_it_was_published_with) {
  const FakeFormat format;
  EXPECT_TRUE((TraceFilter{"", {}, {}, "orders.*"}.wants("/", *message_of("failed", {"orders.eu"}), format)));
  EXPECT_FALSE((TraceFilter{"", {}, {}, "orders.*"}.wants("/", *message_of("failed", {"bills.eu"}), format)));
}

}  // namespace
}  // namespace millrace::broker
