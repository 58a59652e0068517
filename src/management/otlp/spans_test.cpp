#include "management/otlp/spans.hpp"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

namespace millrace::management::otlp {
namespace {

namespace json = boost::json;
using broker::TraceEvent;
using broker::TraceStep;

constexpr std::string_view kTrace = "0af7651916cd43dd8448eb211c80319c";
constexpr std::string_view kParent = "b7ad6b7169203331";

TraceEvent event(TraceStep step) {
  TraceEvent event;
  event.step = step;
  event.at_us = 1'700'000'000'000'500;
  event.vhost = "/";
  event.exchange = "orders";
  event.routing_key = "eu";
  event.queue = "work";
  event.peer = "[::1]:4711";
  event.user = "ann";
  event.seq = 7;
  event.body_bytes = 3;
  event.trace_parent = "00-" + std::string(kTrace) + "-" + std::string(kParent) + "-01";
  return event;
}

// The attributes of the only span of a request, by key.
std::map<std::string, json::value> attributes_of(const Span& span) {
  const json::value request = json::parse(request_text({&span, 1}, {"1.0", "millrace@host"}));
  const json::value& item = request.at("resourceSpans").at(0).at("scopeSpans").at(0).at("spans").at(0);
  std::map<std::string, json::value> found;
  for (const json::value& one : item.at("attributes").as_array()) {
    found[std::string(one.at("key").as_string())] = one.at("value");
  }
  return found;
}

TEST(Spans, of_a_delivery_last_as_long_as_the_message_waited) {
  Prng ids(1);
  TraceEvent delivered = event(TraceStep::delivered);
  delivered.began_us = delivered.at_us - 1500;
  const auto span = span_of(std::move(delivered), ids);
  ASSERT_TRUE(span);
  EXPECT_EQ(span->name, "deliver work");
  EXPECT_EQ(span->trace_id, kTrace);
  EXPECT_EQ(span->parent_id, kParent);
  EXPECT_EQ(span->span_id.size(), 16u);
  EXPECT_EQ(span->end_us - span->begin_us, 1500);
  EXPECT_FALSE(span->failed);
}

TEST(Spans, have_the_attributes_of_the_conventions) {
  Prng ids(1);
  const auto found = attributes_of(*span_of(event(TraceStep::acknowledged), ids));
  const auto text = [&](const char* key) { return std::string(found.at(key).at("stringValue").as_string()); };
  EXPECT_EQ(text("messaging.system"), "millrace");
  EXPECT_EQ(text("messaging.operation.name"), "ack");
  EXPECT_EQ(text("messaging.operation.type"), "process");
  EXPECT_EQ(text("messaging.destination.name"), "work");
  EXPECT_EQ(text("messaging.rabbitmq.destination.routing_key"), "eu");
  EXPECT_EQ(text("network.peer.address"), "::1");
  EXPECT_EQ(found.at("network.peer.port").at("intValue").as_string(), "4711");  // ProtoJSON: a text
  EXPECT_EQ(found.at("messaging.message.body.size").at("intValue").as_string(), "3");
  EXPECT_FALSE(found.contains("messaging.message.id"));  // it has none
}

TEST(Spans, of_a_publish_name_the_exchange_and_the_queues) {
  Prng ids(1);
  TraceEvent published = event(TraceStep::published);
  published.exchange.clear();
  published.queue.clear();
  published.targets = {"a", "b"};
  const auto span = span_of(std::move(published), ids);
  EXPECT_EQ(span->name, "publish amq.default");
  EXPECT_EQ(span->begin_us, span->end_us);
  const auto found = attributes_of(*span);
  EXPECT_EQ(found.at("millrace.queues").at("arrayValue").at("values").at(1).at("stringValue").as_string(),
            "b");
}

TEST(Spans, of_what_went_wrong_have_failed) {
  Prng ids(1);
  for (const TraceStep step : {TraceStep::rejected, TraceStep::requeued, TraceStep::refused,
                               TraceStep::expired, TraceStep::dropped, TraceStep::given_up}) {
    EXPECT_TRUE(span_of(event(step), ids)->failed) << broker::to_string(step);
  }
  for (const TraceStep step : {TraceStep::published, TraceStep::got, TraceStep::dead_lettered}) {
    EXPECT_FALSE(span_of(event(step), ids)->failed) << broker::to_string(step);
  }
}

TEST(Spans, are_not_made_of_a_beginning_or_of_a_malformed_trace) {
  Prng ids(1);
  EXPECT_FALSE(span_of(event(TraceStep::queued), ids));
  TraceEvent malformed = event(TraceStep::delivered);
  malformed.trace_parent = "00";
  EXPECT_FALSE(span_of(std::move(malformed), ids));
}

TEST(Spans, of_a_message_older_than_the_clock_begin_in_time) {
  Prng ids(1);
  TraceEvent old = event(TraceStep::delivered);
  old.began_us = -5;
  EXPECT_EQ(span_of(std::move(old), ids)->begin_us, 1);
}

TEST(Spans, as_text_say_times_in_nanoseconds_and_bad_text_as_utf8) {
  Prng ids(1);
  TraceEvent odd = event(TraceStep::delivered);
  odd.queue = "\xff\"";
  odd.trace_state = "a=b";
  const auto span = span_of(std::move(odd), ids);
  const json::value request = json::parse(request_text({&*span, 1}, {"1.0", "millrace@host"}));
  const json::value& resource = request.at("resourceSpans").at(0);
  EXPECT_EQ(resource.at("resource").at("attributes").at(0).at("value").at("stringValue").as_string(),
            "millrace");
  const json::value& item = resource.at("scopeSpans").at(0).at("spans").at(0);
  EXPECT_EQ(item.at("endTimeUnixNano").as_string(), "1700000000000500000");
  EXPECT_EQ(item.at("traceState").as_string(), "a=b");
  EXPECT_EQ(item.at("kind").as_int64(), 1);
}

TEST(Spans, that_a_collector_rejects_are_counted) {
  EXPECT_EQ(rejected_spans(R"({"partialSuccess":{"rejectedSpans":"3","errorMessage":"x"}})"), 3u);
  EXPECT_EQ(rejected_spans(R"({"partialSuccess":{"rejectedSpans":4}})"), 4u);
  for (const char* none : {"", "{}", "[]", "nonsense", R"({"partialSuccess":{}})", R"({"partialSuccess":7})",
                           R"({"partialSuccess":{"rejectedSpans":-1}})"}) {
    EXPECT_EQ(rejected_spans(none), 0u) << none;
  }
}

}  // namespace
}  // namespace millrace::management::otlp
