#include "management/predictions.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace millrace::management {
namespace {

// Exponential sizes of a mean of 1 ms, in classes that are a fifth wide.
Load exponential(double utilisation, unsigned consumers = 1) {
  Load load;
  load.rate = utilisation * 1000 * consumers;
  load.consumers = consumers;
  for (double from = 0, to = 0.01; from < 30; from = to, to *= 1.2) {
    const double part = std::exp(-from) - std::exp(-to);
    if (part < 1e-12) break;
    const double sum = (from + 1) * std::exp(-from) - (to + 1) * std::exp(-to);
    load.sizes.push_back({sum / part * 1000, part});
  }
  return load;
}

// 10 ms nine times out of ten, else 200 ms.
Load two_sizes(double utilisation) {
  return Load{{{10'000, 0.9}, {200'000, 0.1}}, utilisation / 0.029, 1};
}

// The figures to compare with are of long simulations.
TEST(Predictions, agree_with_simulation_for_first_come_first_served_and_shortest_job) {
  for (const auto& [load, fifo_ms, sjf_ms] :
       {std::tuple(exponential(0.5), 1.0, 0.713), std::tuple(exponential(0.8), 4.0, 1.88),
        std::tuple(exponential(0.9), 9.0, 3.2), std::tuple(two_sizes(0.5), 70.5, 45.9),
        std::tuple(two_sizes(0.8), 282.1, 105.1), std::tuple(two_sizes(0.9), 634.7, 167.3)}) {
    const Predictions waits = predict(load, 0.03);
    EXPECT_NEAR(*waits.first_come / 1000, fifo_ms, fifo_ms * 0.02);
    EXPECT_NEAR(*waits.shortest_job / 1000, sjf_ms, sjf_ms * 0.02);
  }
}

TEST(Predictions, are_near_simulation_for_aged_shortest_job) {
  for (const auto& [load, ageing, ms] :
       {std::tuple(exponential(0.9), 0.03, 3.48), std::tuple(exponential(0.9), 0.1, 4.84),
        std::tuple(exponential(0.9), 0.3, 6.87), std::tuple(two_sizes(0.9), 0.03, 165.2),
        std::tuple(two_sizes(0.9), 0.1, 226.0)}) {
    EXPECT_NEAR(*predict(load, ageing).aged_shortest_job / 1000, ms, ms * 0.12) << ageing;
  }
}

TEST(Predictions, let_ageing_lead_from_shortest_job_to_first_come) {
  const Load load = exponential(0.8);
  EXPECT_NEAR(*predict(load, 1e-5).aged_shortest_job, *predict(load, 1).shortest_job, 30);
  EXPECT_NEAR(*predict(load, 1e4).aged_shortest_job, *predict(load, 1).first_come, 40);
}

TEST(Predictions, know_several_consumers) {
  // Erlang's C for 16 consumers, 90 % busy.
  EXPECT_NEAR(*predict(exponential(0.9, 16), 0.03).first_come / 1000, 0.370, 0.01);
  EXPECT_NEAR(*predict(exponential(0.8, 8), 0.03).first_come / 1000, 0.286, 0.01);
}

TEST(Predictions, do_not_depend_on_variance_when_the_processor_is_shared) {
  EXPECT_NEAR(*predict(two_sizes(0.8), 0.03).shared_processor / 1000, 116, 1);
  EXPECT_NEAR(*predict(exponential(0.8), 0.03).shared_processor / 1000, 4, 0.05);
}

TEST(Predictions, say_nothing_of_what_is_overloaded_or_unknown) {
  EXPECT_FALSE(predict(exponential(1.01), 0.03).first_come);
  EXPECT_FALSE(predict(Load{}, 0.03).first_come);
}

TEST(Predictions, take_sizes_from_the_histogram) {
  broker::LatencyHistogram histogram;
  histogram.add(10'000, 90);
  histogram.add(200'000, 10);
  const Load load = load_of(broker::LatencyCounts(histogram), 20, 1);
  EXPECT_NEAR(load.mean_us(), 29'000, 1);
  EXPECT_NEAR(load.utilisation(), 0.58, 0.001);
  ASSERT_EQ(load.sizes.size(), 2u);
  EXPECT_NEAR(load.sizes[1].mean_us, 200'000, 30'000);
}

}  // namespace
}  // namespace millrace::management
