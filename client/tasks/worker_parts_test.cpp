// What workers are made of, without a broker.
#include <gtest/gtest.h>

#include <algorithm>

#include <optional>

#include "base/prng.hpp"
#include "client/tasks/barrier.hpp"
#include "client/tasks/dead_letter.hpp"
#include "client/tasks/outcome.hpp"
#include "client/tasks/remembered_ids.hpp"
#include "client/tasks/result_message.hpp"
#include "client/tasks/retry_pause.hpp"
#include "millrace/tasks.hpp"

namespace millrace::tasks {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

class QuietContext final : public Context {
 public:
  bool stop_requested() const noexcept override { return false; }
  void check() override {}
  void set_state(const std::string&, const json::value&) override {}
};

json::value call(const detail::PlainFunction& function, json::array args, json::object kwargs = {}) {
  CallData data;
  data.task = "t";
  data.args = std::move(args);
  data.kwargs = std::move(kwargs);
  QuietContext context;
  return function(context, data);
}

const auto kSubtract = detail::plain_function<int, int, int>({"x", "y"}, [](int x, int y) { return x - y; });

TEST(Arguments, are_matched_by_place_and_by_name) {
  EXPECT_EQ(call(kSubtract, {5, 3}), 2);
  EXPECT_EQ(call(kSubtract, {5}, {{"y", 3}}), 2);
  EXPECT_EQ(call(kSubtract, {}, {{"y", 3}, {"x", 5}}), 2);
}

TEST(Arguments, that_do_not_fit_are_refused) {
  EXPECT_THROW(call(kSubtract, {5}), detail::BadArguments);
  EXPECT_THROW(call(kSubtract, {5, 3, 1}), detail::BadArguments);
  EXPECT_THROW(call(kSubtract, {5, "three"}), detail::BadArguments);
  EXPECT_THROW(call(kSubtract, {5, 3}, {{"y", 3}}), detail::BadArguments);
  EXPECT_THROW(call(kSubtract, {5, 3}, {{"z", 3}}), detail::BadArguments);
}

TEST(Arguments, that_are_optional_may_be_left_out) {
  const auto function = detail::plain_function<int, int, std::optional<int>>(
      {"x", "y"}, [](Context&, int x, std::optional<int> y) { return x - y.value_or(1); });
  EXPECT_EQ(call(function, {5}), 4);
  EXPECT_EQ(call(function, {5, nullptr}), 4);
  EXPECT_EQ(call(function, {5, 2}), 3);
}

TEST(Outcome, keeps_the_name_of_what_was_thrown) {
  const auto of = [](auto error) { return outcome_of(std::make_exception_ptr(error)); };
  EXPECT_EQ(of(std::out_of_range("far")).type, "out_of_range");
  EXPECT_EQ(of(std::out_of_range("far")).text, "far");
  EXPECT_EQ(of(TaskError("ValueError", "bad")).type, "ValueError");
  EXPECT_EQ(of(Reject("no")).kind, Outcome::Kind::reject);
  EXPECT_EQ(of(Retry("later", 5s)).after, 5s);
  EXPECT_EQ(of(Cancelled("stop")).kind, Outcome::Kind::cancelled);
  EXPECT_EQ(of(42).kind, Outcome::Kind::failure);
}

TEST(Outcome, passes_between_processes_unchanged) {
  Outcome outcome = outcome_of(std::make_exception_ptr(Retry("later", 5s)));
  outcome.value = {1, "two"};
  const Outcome back = outcome_from(json::parse(json::serialize(to_json(outcome))).as_object());
  EXPECT_EQ(back.kind, outcome.kind);
  EXPECT_EQ(back.text, "later");
  EXPECT_EQ(back.after, 5s);
  EXPECT_EQ(back.value, outcome.value);
}

TEST(RetryPause, grows_to_its_longest_and_is_drawn_below_it) {
  TaskOptions options;
  options.retries(10, 100ms, 2, 1s, 0);
  Prng random(1);
  EXPECT_EQ(pause_before_retry(options, 0, random), 100ms);
  EXPECT_EQ(pause_before_retry(options, 3, random), 800ms);
  EXPECT_EQ(pause_before_retry(options, 4, random), 1s);
  EXPECT_EQ(pause_before_retry(options, 4000, random), 1s);
  options.retries(10, 100ms, 2, 1s, 0.5);
  Milliseconds least{10'000};
  Milliseconds most{0};
  for (int i = 0; i < 1000; ++i) {
    const Milliseconds pause = pause_before_retry(options, 0, random);
    least = std::min(least, pause);
    most = std::max(most, pause);
  }
  EXPECT_GE(least, 50ms);
  EXPECT_LT(least, 55ms);
  EXPECT_LE(most, 100ms);
  EXPECT_GT(most, 95ms);
}

TEST(ResultMessage, says_failures_as_celery_does) {
  Request request;
  request.call.id = "a";
  request.correlation_id = "a";
  Status status;
  status.state = State::failure;
  status.name = "FAILURE";
  status.error_type = "ValueError";
  status.error_text = "boom";
  const Message message = encode_result(request, status, {});
  const json::value body = json::parse(message.body);
  EXPECT_EQ(body.at("result"),
            json::parse(R"({"exc_type": "ValueError", "exc_message": ["boom"], "exc_module": "builtins"})"));
  EXPECT_FALSE(message.mandatory);
  const auto received = decode_result(message);
  ASSERT_TRUE(received);
  EXPECT_EQ(received->id, "a");
  EXPECT_EQ(received->status.state, State::failure);
  EXPECT_EQ(received->status.error_type, "ValueError");
  EXPECT_EQ(received->status.error_text, "boom");
}

TEST(ResultMessage, keeps_states_that_tasks_make_up) {
  Message message(R"({"status": "PROGRESS", "result": {"progress": 0.5}, "task_id": "a"})");
  const auto received = decode_result(message);
  ASSERT_TRUE(received);
  EXPECT_EQ(received->status.state, State::custom);
  EXPECT_EQ(received->status.name, "PROGRESS");
  EXPECT_FALSE(decode_result(Message("no JSON")));
  EXPECT_FALSE(decode_result(Message("[1]")));
}

TEST(DeadLetter, has_its_reason_and_is_revived_without_it) {
  CallData data;
  data.task = "t";
  data.id = "a";
  data.eta = std::chrono::system_clock::now();
  Message message = encode_call(data, "r", "me");
  message.headers["retries"] = 3;
  message.headers["x-delay"] = -5;
  const Message dead = dead_letter(message, "q", "failed", "boom");
  EXPECT_EQ(*dead.header(kDeadReason), Field("failed"));
  EXPECT_EQ(*dead.header(kDeadQueue), Field("q"));
  EXPECT_EQ(dead.header("x-delay"), nullptr);
  const Message back = revived(dead);
  EXPECT_EQ(back.header(kDeadReason), nullptr);
  EXPECT_EQ(back.header("eta"), nullptr);
  EXPECT_EQ(*back.header("retries"), Field(0));
  EXPECT_EQ(*back.header("id"), Field("a"));
}

TEST(RememberedIds, forgets_the_oldest) {
  RememberedIds ids(2);
  ids.add("a");
  ids.add("a");
  ids.add("b");
  EXPECT_TRUE(ids.contains("a"));
  ids.add("c");
  EXPECT_FALSE(ids.contains("a"));
  EXPECT_TRUE(ids.contains("b") && ids.contains("c"));
}

// Against what a list of them would say; with few letters, so that many come again.
TEST(RememberedIds, knows_the_last_ones_and_no_others_at_random) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Prng random(seed);
    const std::size_t most = 1 + random.below(100);
    RememberedIds ids(most);
    std::vector<std::string> expected;
    for (int i = 0; i < 500; ++i) {
      const std::string id = std::to_string(random.below(150));
      const bool known = std::find(expected.begin(), expected.end(), id) != expected.end();
      ASSERT_EQ(ids.contains(id), known);
      ids.add(id);
      if (known) continue;
      expected.push_back(id);
      if (expected.size() > most) expected.erase(expected.begin());
    }
    EXPECT_EQ(ids.in_order(), expected);
  }
}

TEST(Chain, puts_calls_behind_the_first) {
  const Task<int(int, int)> plus("plus");
  const CallData data = chain(plus(1, 2), chain(plus.partial(3), plus.partial(4)), plus.partial(5)).data();
  ASSERT_EQ(data.next.size(), 3U);
  EXPECT_EQ(data.next[0].args, json::array{3});
  EXPECT_EQ(data.next[1].args, json::array{4});
  EXPECT_EQ(data.next[2].args, json::array{5});
  EXPECT_TRUE(data.next[0].next.empty());
}

TEST(Barrier, comes_back_from_its_header) {
  CallData last;
  last.task = "sum";
  last.id = "z";
  const Barrier barrier = read_barrier(make_barrier("b", 3, last, "replies"));
  EXPECT_EQ(barrier.queue, "millrace.chord.b");
  EXPECT_EQ(barrier.size, 3U);
  EXPECT_EQ(call_from_signature(barrier.last).id, "z");
  EXPECT_EQ(barrier.reply_to, "replies");
}

}  // namespace
}  // namespace millrace::tasks
