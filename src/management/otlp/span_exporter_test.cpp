#include "management/otlp/span_exporter.hpp"

#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "simulation/scheduler.hpp"

namespace millrace::management::otlp {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class SpanExporterTest : public ::testing::Test {
 protected:
  using Done = net::HttpClient::Done;

  SpanExporterTest() {
    exporter_ = std::make_unique<SpanExporter>(
        home_, home_,
        [this](const std::string& text, Done done) {
          const auto request = boost::json::parse(text);
          const auto& spans = request.at("resourceSpans").at(0).at("scopeSpans").at(0).at("spans");
          asked_.push_back(spans.as_array().size());
          asked_at_.push_back(scheduler_.steady());
          waiting_ = std::move(done);
        },
        Resource{"1.0", "millrace@host"}, "http://collector", 1,
        [this](broker::LogLevel, std::string_view line) { log_.emplace_back(line); });
    sink_ = exporter_->sink();
  }

  void tell(std::size_t steps, std::uint64_t missed = 0) {
    std::vector<broker::TraceEvent> events(steps);
    for (auto& event : events) {
      event.step = broker::TraceStep::delivered;
      event.trace_parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    }
    sink_(std::move(events), missed);
  }
  void pass(runtime::Nanoseconds time) { scheduler_.run_for(time); }
  void answer(unsigned status, std::string body = "{}") {
    Done done = std::move(waiting_);
    done(net::HttpReply{status, std::move(body)});
  }
  void answer_nothing() {
    Done done = std::move(waiting_);
    done(fail(Errc::io_error, "cannot connect"));
  }

  simulation::Scheduler scheduler_{1};
  simulation::Shard& home_ = scheduler_.add_shard();
  std::unique_ptr<SpanExporter> exporter_;
  broker::SpanSink sink_;
  std::vector<std::size_t> asked_;  // spans of each request
  std::vector<runtime::Nanoseconds> asked_at_;
  Done waiting_;
  std::vector<std::string> log_;
};

TEST_F(SpanExporterTest, sends_what_has_gathered_after_a_while) {
  tell(3);
  tell(4);
  pass(milliseconds(900));
  EXPECT_TRUE(asked_.empty());
  pass(milliseconds(200));
  EXPECT_EQ(asked_, (std::vector<std::size_t>{7}));
  answer(200);
  EXPECT_EQ(exporter_->figures().sent, 7u);
  EXPECT_EQ(exporter_->figures().dropped, 0u);
}

TEST_F(SpanExporterTest, sends_a_full_batch_at_once_and_one_at_a_time) {
  tell(SpanExporter::kBatch * 2 + 1);
  pass(milliseconds(1));
  EXPECT_EQ(asked_, (std::vector<std::size_t>{SpanExporter::kBatch}));
  pass(seconds(5));
  EXPECT_EQ(asked_.size(), 1u);
  answer(200);
  EXPECT_EQ(asked_.size(), 2u);
  answer(202);
  pass(seconds(1));
  EXPECT_EQ(asked_.back(), 1u);
}

TEST_F(SpanExporterTest, drops_and_counts_what_is_too_much_while_the_collector_is_slow) {
  for (int i = 0; i < 5; ++i) tell(4096);
  pass(milliseconds(1));
  EXPECT_EQ(exporter_->figures().dropped, 5 * 4096 - SpanExporter::kMaxWaiting);
  tell(0, 11);
  EXPECT_EQ(exporter_->figures().dropped, 5 * 4096 - SpanExporter::kMaxWaiting + 11);
  answer(200);  // there is room for one batch again
  pass(milliseconds(1));
  const std::uint64_t dropped = exporter_->figures().dropped;
  tell(SpanExporter::kBatch);
  EXPECT_EQ(exporter_->figures().dropped, dropped);
  tell(1);
  EXPECT_EQ(exporter_->figures().dropped, dropped + 1);
}

TEST_F(SpanExporterTest, sends_again_more_and_more_slowly_until_it_is_taken) {
  tell(1);
  pass(seconds(1));
  for (int i = 0; i < 8; ++i) {
    i % 2 == 0 ? answer_nothing() : answer(503);
    pass(seconds(60));
    ASSERT_EQ(asked_.size(), i + 2u);
  }
  EXPECT_EQ(asked_at_[1] - asked_at_[0], seconds(1));
  EXPECT_EQ(log_.size(), 1u);
  answer(200);
  EXPECT_EQ(exporter_->figures().sent, 1u);
  EXPECT_EQ(log_.size(), 2u);
}

TEST_F(SpanExporterTest, gives_up_what_is_refused) {
  tell(2);
  pass(seconds(1));
  answer(400);
  pass(seconds(60));
  EXPECT_EQ(asked_.size(), 1u);
  EXPECT_EQ(exporter_->figures().dropped, 2u);
  tell(3);
  pass(seconds(1));
  answer(200, R"({"partialSuccess":{"rejectedSpans":"1"}})");
  EXPECT_EQ(exporter_->figures().dropped, 3u);
  EXPECT_EQ(exporter_->figures().sent, 2u);
}

}  // namespace
}  // namespace millrace::management::otlp
