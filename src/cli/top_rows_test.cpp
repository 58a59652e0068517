#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "cli/histogram.hpp"
#include "cli/rabbitmqctl/ctl.hpp"
#include "cli/top.hpp"

namespace millrace::cli {
namespace {

TopRow row(std::uint64_t ready, std::uint64_t unacked, std::uint64_t consumers, double in, double ack) {
  TopRow made;
  made.ready = ready;
  made.unacked = unacked;
  made.consumers = consumers;
  made.in = in;
  made.ack = ack;
  return made;
}

TEST(Top, says_what_holds_a_queue_back) {
  EXPECT_EQ(what_holds_back(row(0, 9, 0, 9, 0), 0), "");
  EXPECT_EQ(what_holds_back(row(1, 0, 0, 0, 0), 0), "no consumer");
  EXPECT_EQ(what_holds_back(row(1, 10, 2, 0, 5), 10), "prefetch: waits for acks");
  EXPECT_EQ(what_holds_back(row(1, 10, 2, 9, 5), 0), "slow consumers");
  EXPECT_EQ(what_holds_back(row(1, 1, 2, 5, 9), 10), "");
}

TEST(Top, adds_up_the_prefetch_of_a_queues_consumers) {
  const auto queues = boost::json::parse(
      R"([{"vhost":"/","name":"a","messages_ready":1,"messages_unacknowledged":5,"consumers":2},
          {"vhost":"/","name":"b","messages_ready":1,"messages_unacknowledged":5,"consumers":2}])");
  const auto consumers = boost::json::parse(
      R"([{"queue":{"vhost":"/","name":"a"},"prefetch_count":2},{"queue":{"vhost":"/","name":"a"},"prefetch_count":3},
          {"queue":{"vhost":"/","name":"b"},"prefetch_count":2},{"queue":{"vhost":"/","name":"b"},"prefetch_count":0}])");
  const auto rows = top_rows(queues, consumers);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].held_back, "prefetch: waits for acks");
  EXPECT_EQ(rows[1].held_back, "");  // one of them takes without bound
}

TEST(Top, takes_latencies_where_something_was_measured) {
  const auto queues = boost::json::parse(
      R"([{"vhost":"/","name":"a","millrace":{"time_in_queue":{"p50_us":12.5,"p99_us":900},
           "time_to_ack":{"p50_us":null,"p99_us":null}}},
          {"vhost":"/","name":"b"}])");
  auto rows = top_rows(queues, boost::json::array());
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].wait_p50_us, 12.5);
  EXPECT_EQ(rows[0].wait_p99_us, 900);
  EXPECT_FALSE(rows[0].ack_p99_us);
  EXPECT_FALSE(rows[1].wait_p99_us);
  std::swap(rows[0], rows[1]);
  sort_rows(rows, TopOrder::wait, false);
  EXPECT_EQ(rows[0].name, "a");
}

TEST(Top, sorts_the_largest_first_and_names_from_a) {
  std::vector<TopRow> rows = {row(1, 0, 0, 0, 0), row(3, 0, 0, 0, 0), row(3, 0, 0, 0, 0)};
  rows[0].name = "c";
  rows[1].name = "b";
  rows[2].name = "a";
  sort_rows(rows, TopOrder::ready, false);
  EXPECT_EQ(rows[0].name + rows[1].name + rows[2].name, "abc");
  sort_rows(rows, TopOrder::ready, true);
  EXPECT_EQ(rows[0].name + rows[1].name + rows[2].name, "cab");
  sort_rows(rows, TopOrder::name, true);
  EXPECT_EQ(rows[0].name + rows[1].name + rows[2].name, "cba");
}

TEST(Histogram, finds_percentiles_within_a_bucket) {
  Histogram histogram;
  EXPECT_EQ(histogram.percentile(0.99), 0u);
  for (std::uint64_t i = 1; i <= 100'000; ++i) histogram.add(i);
  for (const double part : {0.5, 0.9, 0.99, 0.999}) {
    const double exact = part * 100'000;
    EXPECT_GE(static_cast<double>(histogram.percentile(part)), exact);
    EXPECT_LE(static_cast<double>(histogram.percentile(part)), exact * (1 + 1.0 / 32) + 1);
  }
  EXPECT_EQ(histogram.percentile(1), 100'000u);
  EXPECT_EQ(histogram.max(), 100'000u);
}

TEST(Histogram, takes_every_value) {
  Histogram histogram;
  for (const std::uint64_t value : {UINT64_C(0), UINT64_C(31), UINT64_C(32), ~UINT64_C(0)})
    histogram.add(value);
  EXPECT_EQ(histogram.count(), 4u);
  EXPECT_EQ(histogram.percentile(0.25), 0u);
  EXPECT_EQ(histogram.percentile(1), ~UINT64_C(0));
}

TEST(Rabbitmqctl, writes_cells_as_rabbitmq_does) {
  using rabbitmqctl::cell_text;
  EXPECT_EQ(cell_text(nullptr), "");
  EXPECT_EQ(cell_text(true), "true");
  EXPECT_EQ(cell_text(boost::json::parse(R"(["monitoring","management"])")), "[monitoring, management]");
  EXPECT_EQ(cell_text(boost::json::parse("{}")), "[]");
  EXPECT_EQ(cell_text(boost::json::parse(R"({"x-max-length":10,"k":"v"})")),
            R"([{"x-max-length",10},{"k","v"}])");
  EXPECT_EQ(cell_text("a\nb"), "a\\nb");
  EXPECT_EQ(rabbitmqctl::typed_arguments(boost::json::parse(R"({"x-max-length":10,"k":"v"})")),
            boost::json::parse(R"([["x-max-length","signedint",10],["k","longstr","v"]])"));
}

}  // namespace
}  // namespace millrace::cli
