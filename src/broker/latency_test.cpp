#include "broker/latency.hpp"

#include <gtest/gtest.h>

namespace millrace::broker {
namespace {

TEST(LatencyBuckets, follow_one_another_without_gaps_and_are_at_most_a_quarter_wide) {
  std::uint64_t begin = 0;
  for (unsigned bucket = 0; bucket < kLatencyBuckets; ++bucket) {
    const std::uint64_t end = latency_bucket_end(bucket);
    ASSERT_LT(begin, end);
    EXPECT_EQ(latency_bucket(static_cast<std::int64_t>(begin)), bucket);
    EXPECT_EQ(latency_bucket(static_cast<std::int64_t>(end - 1)), bucket);
    EXPECT_LE((end - begin - 1) * 4, begin);
    begin = end;
  }
  EXPECT_EQ(latency_bucket_end(kLatencyBuckets - 1), std::uint64_t{1} << 37);
}

TEST(LatencyBuckets, hold_what_is_too_long_in_the_last_and_what_is_negative_in_the_first) {
  EXPECT_EQ(latency_bucket(std::int64_t{1} << 37), kLatencyBuckets - 1);
  EXPECT_EQ(latency_bucket(INT64_MAX), kLatencyBuckets - 1);
  EXPECT_EQ(latency_bucket(-5), 0u);
}

TEST(LatencyCounts, give_quantiles_within_a_bucket_of_the_truth) {
  LatencyHistogram histogram;
  for (int us = 1; us <= 10'000; ++us) histogram.add(us);
  const LatencyCounts counts(histogram);
  EXPECT_NEAR(counts.quantile_us(0.5), 5000, 100);
  EXPECT_NEAR(counts.quantile_us(0.99), 9900, 250);
  EXPECT_DOUBLE_EQ(counts.mean_us(), 5000.5);
}

TEST(LatencyCounts, of_one_message_say_the_middle_of_its_bucket_whatever_the_quantile) {
  LatencyHistogram histogram;
  histogram.add(1000);  // in [896, 1024)
  const LatencyCounts counts(histogram);
  EXPECT_DOUBLE_EQ(counts.quantile_us(0.5), 960);
  EXPECT_DOUBLE_EQ(counts.quantile_us(0.999), 960);
}

TEST(LatencyCounts, are_empty_of_nothing) {
  const LatencyCounts counts{LatencyHistogram()};
  EXPECT_TRUE(counts.buckets.empty());
  EXPECT_EQ(counts.quantile_us(0.5), 0);
  EXPECT_EQ(counts.mean_us(), 0);
}

TEST(LatencyCounts, tell_what_came_since_an_earlier_look) {
  LatencyHistogram histogram;
  for (int i = 0; i < 100; ++i) histogram.add(10);
  const LatencyCounts before(histogram);
  for (int i = 0; i < 7; ++i) histogram.add(100'000);
  histogram.add(1);
  const LatencyCounts since = LatencyCounts(histogram).since(before);
  EXPECT_EQ(since.count, 8u);
  EXPECT_EQ(since.sum_us, 700'001u);
  EXPECT_EQ(since.at(latency_bucket(10)), 0u);
  EXPECT_EQ(since.at(latency_bucket(100'000)), 7u);
  EXPECT_GT(since.quantile_us(0.5), 80'000);
}

TEST(LatencyCounts, count_from_nothing_when_the_queue_was_made_anew) {
  LatencyHistogram old, fresh;
  for (int i = 0; i < 5; ++i) old.add(10);
  fresh.add(20);
  EXPECT_EQ(LatencyCounts(fresh).since(LatencyCounts(old)).count, 1u);
}

TEST(LatencyCounts, add_up_to_the_histogram_that_they_are_of) {
  LatencyHistogram one, sum;
  for (const int us : {3, 50, 50, 7'000'000}) one.add(us);
  LatencyCounts(one).add_to(sum);
  LatencyCounts(one).add_to(sum);
  EXPECT_EQ(sum.count, 8u);
  EXPECT_EQ(sum.sum_us, 2 * one.sum_us);
  EXPECT_EQ(sum.buckets[latency_bucket(50)], 4u);
}

}  // namespace
}  // namespace millrace::broker
