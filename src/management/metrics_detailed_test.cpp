#include "management/metrics_detailed.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "broker/access/pattern.hpp"
#include "management/metrics_tables.hpp"
#include "management/simulated_api_test.hpp"

namespace millrace::management {
namespace {

using QueueNames = std::set<std::string>;

class DetailedMetrics : public testing::Test {
 protected:
  void declare(const std::string& vhost, const std::string& queue) {
    const Answer made = api.ask("PUT", "/api/queues/" + vhost + "/" + queue, "{}");
    ASSERT_EQ(made.status, 201u) << made.body;
  }
  Answer scrape(const std::string& query) { return api.ask("GET", "/metrics/detailed?" + query); }
  // Of whichever queues the text has lines of that metric.
  QueueNames queues(const std::string& query, const std::string& metric = "queue_messages_ready") {
    const Answer answer = scrape(query);
    EXPECT_EQ(answer.status, 200u) << answer.body;
    QueueNames found;
    const std::string before = "\nrabbitmq_detailed_" + metric + "{vhost=\"";
    for (std::size_t at = 0; (at = answer.body.find(before, at)) != std::string::npos; ++at) {
      const std::size_t name = answer.body.find("queue=\"", at) + 7;
      found.insert(answer.body.substr(name, answer.body.find('"', name) - name));
    }
    return found;
  }
  std::uint64_t turns_of(const std::string& query) {
    scrape(query);  // figures are made for the first who asks
    const std::uint64_t before = api.turns();
    scrape(query);
    return api.turns() - before;
  }
  std::string why(const std::string& query) {
    const Answer answer = scrape(query);
    EXPECT_EQ(answer.status, 400u) << answer.body;
    return answer.body;
  }

  SimulatedApi api;
};

TEST_F(DetailedMetrics, are_of_the_queues_in_whose_names_the_pattern_is_found) {
  ASSERT_EQ(api.ask("PUT", "/api/vhosts/v", "{}").status, 201u);
  for (const char* name : {"jobs.a", "jobs.b", "old.jobs", "Jobs"}) declare("%2F", name);
  declare("v", "jobs.v");
  const std::string coarse = "family=queue_coarse_metrics";
  EXPECT_EQ(queues(coarse + "&queue=%5Ejobs%5C."), (QueueNames{"jobs.a", "jobs.b", "jobs.v"}));
  EXPECT_EQ(queues(coarse + "&queue=jobs&vhost=%2F"), (QueueNames{"jobs.a", "jobs.b", "old.jobs"}));
  EXPECT_EQ(queues(coarse + "&queue=none"), QueueNames{});
  EXPECT_EQ(queues(coarse + "&queue="), queues(coarse));
  EXPECT_EQ(queues(coarse).size(), 5u);
  for (const char* metric : {"queue_consumers", "queue_messages_bytes", "queue_info", "queue_get_total"}) {
    EXPECT_EQ(queues("family=queue_metrics&family=queue_delivery_metrics&queue=b$", metric),
              QueueNames{"jobs.b"})
        << metric;
  }
  EXPECT_EQ(queues("family=queue_consumer_count&queue=b$", "queue_consumers"), QueueNames{"jobs.b"});
  // What is of no queue stays.
  EXPECT_NE(
      scrape("family=vhost_status&queue=none").body.find("rabbitmq_cluster_vhost_status{vhost=\"v\"} 1"),
      std::string::npos);
}

TEST_F(DetailedMetrics, refuse_a_pattern_that_is_none) {
  EXPECT_NE(why("family=queue_metrics&queue=%28").find("'queue' is not a valid regular expression"),
            std::string::npos);
  EXPECT_NE(why("queue=%28").find("'queue' is not a valid regular expression"), std::string::npos);
  EXPECT_NE(why("queue=a&queue=b").find("'queue' may be given once only"), std::string::npos);
  const std::string longest(kMaxQueuePatternBytes, 'a');
  EXPECT_EQ(scrape("queue=" + longest).status, 200u);
  EXPECT_NE(why("queue=a" + longest).find("'queue' may have at most 2000 bytes"), std::string::npos);
}

TEST_F(DetailedMetrics, have_each_family_once) {
  declare("%2F", "q");
  const std::string text =
      scrape("family=queue_metrics&family=queue_consumer_count&family=queue_metrics").body;
  const std::string type = "# TYPE rabbitmq_detailed_queue_consumers ";
  EXPECT_NE(text.find(type), std::string::npos);
  EXPECT_EQ(text.find(type), text.rfind(type));
}

TEST_F(DetailedMetrics, tell_of_no_exchange_that_clients_cannot_publish_to) {
  ASSERT_EQ(api.ask("PUT", "/api/exchanges/%2F/inner", R"({"type":"fanout","internal":true})").status, 201u);
  ASSERT_EQ(api.ask("PUT", "/api/exchanges/%2F/outer", R"({"type":"fanout"})").status, 201u);
  const std::string text = scrape("family=exchange_bindings&family=exchange_names").body;
  EXPECT_NE(text.find("exchange=\"outer\""), std::string::npos);
  EXPECT_EQ(text.find("exchange=\"inner\""), std::string::npos);
  EXPECT_EQ(text.find("exchange=\"\""), std::string::npos);
}

TEST_F(DetailedMetrics, count_logins_that_went_well_and_that_did_not) {
  auto wrong = SimulatedApi::make_call("GET", "/api/whoami", "");
  wrong->authorization = SimulatedApi::basic("ann", "guess");
  EXPECT_EQ(api.ask(wrong).status, 401u);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(api.ask("GET", "/api/whoami").status, 200u);
  api.age();
  const std::string text = scrape("family=auth_attempt_metrics").body;  // whose login is the fourth
  for (const char* line : {"_total{protocol=\"http\"} 4\n", "_succeeded_total{protocol=\"http\"} 3\n",
                           "_failed_total{protocol=\"http\"} 1\n"}) {
    EXPECT_NE(text.find("rabbitmq_detailed_auth_attempts" + std::string(line)), std::string::npos) << text;
  }
}

TEST_F(DetailedMetrics, let_others_have_turns_while_they_are_written) {
  for (std::size_t i = 0; i < 600; ++i) declare("%2F", "q" + std::to_string(i));
  const std::string some = "family=queue_coarse_metrics";                                // four lines of each
  const std::string all = some + "&family=queue_metrics&family=queue_delivery_metrics";  // sixteen
  EXPECT_EQ(turns_of(all), turns_of(some) + 2);
  // What was held for the text is given back.
  EXPECT_TRUE((*api).hold_list_bytes(0, Api::kMaxListBytes));
}

TEST_F(DetailedMetrics, let_others_have_turns_while_names_are_searched) {
  constexpr std::size_t kQueues = 5 * kNamesPerTurn;
  for (std::size_t i = 0; i < kQueues; ++i) declare("%2F", std::string(30, 'a') + std::to_string(i));
  const std::string all = "family=queue_coarse_metrics";
  EXPECT_EQ(turns_of(all + "&queue=a"), turns_of(all) + 4);
  // One that is found nowhere, and only after very many steps, ends as well.
  EXPECT_EQ(queues(all + "&queue=%28a%7Caa%29%2Bz"), QueueNames{});
}

}  // namespace
}  // namespace millrace::management
