#include "client/tasks/task_message.hpp"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <utility>

#include "client/message_equality_test.hpp"
#include "client/src/fields.hpp"
#include "client/tasks/barrier.hpp"
#include "client/tasks/dead_letter.hpp"
#include "client/tasks/time_text.hpp"
#include "millrace/error.hpp"

namespace millrace::tasks {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

CallData a_call() {
  CallData call;
  call.task = "tasks.add";
  call.id = "an-id";
  call.args = {1, "two"};
  call.kwargs = {{"three", 3}};
  return call;
}

json::value a_barrier() {
  return make_barrier("b", 2, a_call(), "replies");
}

Request read(const Message& message) {
  auto decoded = decode_call(message);
  EXPECT_TRUE(std::holds_alternative<Request>(decoded));
  return std::get<Request>(decoded);
}

std::string why_not(const Message& message) {
  const auto decoded = decode_call(message);
  const auto* why = std::get_if<std::string>(&decoded);
  return why == nullptr ? "" : *why;
}

TEST(TaskMessage, has_the_headers_and_the_body_of_celerys_protocol) {
  const Message message = encode_call(a_call(), "replies", "gen1@host");
  EXPECT_EQ(message.body,
            R"([[1,"two"],{"three":3},{"callbacks":null,"errbacks":null,"chain":null,"chord":null}])");
  EXPECT_EQ(message.content_type, "application/json");
  EXPECT_EQ(message.correlation_id, "an-id");
  EXPECT_EQ(message.reply_to, "replies");
  EXPECT_EQ(*message.header("task"), Field("tasks.add"));
  EXPECT_EQ(*message.header("root_id"), Field("an-id"));
  EXPECT_EQ(*message.header("argsrepr"), Field("(1, 'two')"));
  EXPECT_EQ(*message.header("kwargsrepr"), Field("{'three': 3}"));
  EXPECT_EQ(message.header("eta"), nullptr);
}

TEST(TaskMessage, comes_back_as_it_was) {
  CallData call = a_call();
  call.eta = time_from("2026-11-20T13:02:35.564104+00:00");
  call.expires = time_from("2027-01-01T00:00:00Z");
  call.soft_limit = 1500ms;
  call.hard_limit = 3s;
  call.group = "g";
  call.group_index = 2;
  call.root_id = "root";
  call.parent_id = "parent";
  call.barrier = a_barrier();
  call.keep_result_for = 90min;
  CallData next = a_call();
  next.id = "second";
  next.keep_result_for = 5s;
  next.immutable = true;
  CallData last = a_call();
  last.id = "third";
  last.queue = "elsewhere";
  call.next = {next, last};
  call.on_failure = {next};
  const Request request = read(encode_call(call, "replies", "me"));
  EXPECT_EQ(request.call.args, call.args);
  EXPECT_EQ(request.call.kwargs, call.kwargs);
  EXPECT_EQ(request.call.eta, call.eta);
  EXPECT_EQ(request.call.expires, call.expires);
  EXPECT_EQ(request.call.soft_limit, call.soft_limit);
  EXPECT_EQ(request.call.hard_limit, call.hard_limit);
  EXPECT_EQ(request.call.group_index, 2);
  EXPECT_EQ(request.call.root_id, "root");
  EXPECT_EQ(request.call.parent_id, "parent");
  EXPECT_EQ(request.call.barrier, call.barrier);
  ASSERT_EQ(request.call.next.size(), 2U);
  EXPECT_EQ(request.call.next[0].id, "second");
  EXPECT_TRUE(request.call.next[0].immutable);
  EXPECT_EQ(request.call.keep_result_for, 90min);
  EXPECT_EQ(request.call.next[0].keep_result_for, 5s);
  EXPECT_EQ(request.call.next[1].keep_result_for, 0s);
  EXPECT_EQ(request.call.next[1].queue, "elsewhere");
  ASSERT_EQ(request.call.on_failure.size(), 1U);
  EXPECT_EQ(request.reply_to, "replies");
}

TEST(TaskMessage, is_the_same_on_the_wire_as_by_way_of_a_message) {
  CallData plain = a_call();
  CallData full = a_call();
  full.priority = 7;
  full.key = "tenant";
  full.estimate = 250ms;
  full.eta = time_from("2026-11-20T13:02:35.564104+00:00");
  full.expires = time_from("2027-01-01T00:00:00Z");
  full.soft_limit = 1500ms;
  full.parent_id = "parent";
  full.group = "g";
  full.group_index = 1LL << 40;
  full.ignore_result = true;
  full.keep_result_for = 49 * 24h;
  full.barrier = a_barrier();
  full.chord = json::object{{"task", "sum"}};
  full.next = {plain, plain};
  full.on_success = {plain};
  full.on_failure = {plain};
  for (const CallData& call : {plain, full}) {
    Message expected = encode_call(call, "replies", "gen1@host");
    expected.message_id = "m1";
    expected.headers[kDurableResult] = true;
    Buffer content;
    const std::size_t properties = encode_call(call, "replies", "gen1@host", "m1", true, content);
    Message sent{std::string(as_text(content.view().subspan(properties)))};
    ASSERT_TRUE(client::read_message_properties(content.view().first(properties), sent));
    expect_equal(sent, expected);
  }
}

// By which a worker knows a redelivery.
TEST(TaskMessage, has_a_key_of_its_id_its_attempt_and_its_message) {
  const auto key_of = [](const Message& message) {
    const auto request = read(message);
    EXPECT_EQ(request.has_message_id, !message.message_id.empty() || message.header(kDeadTime) != nullptr);
    return std::string(request.key.view());
  };
  CallData call = a_call();
  call.id = "id";
  Message message = encode_call(call, "", "me");
  EXPECT_EQ(key_of(message), "id:0:");
  message.headers["retries"] = 12;
  message.message_id = "m1";
  EXPECT_EQ(key_of(message), "id:12:m1");
  message.headers[kDeadTime] = "yesterday";
  EXPECT_EQ(key_of(message), "id:0:m1after yesterday");
  message.message_id = std::string(255, 'm');  // more than lies within a request
  const Request request = read(message);
  Request moved = request;
  const Request last = std::move(moved);
  EXPECT_EQ(last.key.view(), "id:0:" + message.message_id + "after yesterday");
}

// One thread reads it, others carry it out and let go of it.
TEST(TaskMessage, has_arguments_that_may_go_anywhere) {
  CallData call = a_call();
  call.args = {1, "a text that is longer than any that lies in a value", json::array{2, 3}};
  for (const std::size_t size : {std::size_t{10}, std::size_t{100'000}}) {  // read into memory of both kinds
    call.kwargs = {{"text", std::string(size, 'x')}};
    json::array copied;
    json::object moved;
    {
      auto request = std::get<Request>(decode_call(encode_call(call, "", "me")));  // no copy
      copied = request.call.args;
      std::thread([&, taken = std::move(request)]() mutable { moved = std::move(taken.call.kwargs); }).join();
    }
    EXPECT_EQ(copied, call.args);
    EXPECT_EQ(moved, call.kwargs);
  }
}

TEST(TaskMessage, tells_the_queue_what_it_ranks_by) {
  CallData call = a_call();
  call.key = "tenant";
  call.estimate = 1500ms;
  call.deadline = WallTime(1'800'000'000'250ms);
  for (const CallData& one : {call, call_from_signature(signature_of(call, ""))}) {
    const Message message = encode_call(one, "", "me");
    EXPECT_EQ(*message.header("x-key"), Field("tenant"));
    EXPECT_EQ(*message.header("x-size"), Field(1500));
    EXPECT_EQ(*message.header("x-deadline"), Field(std::int64_t{1'800'000'000'250}));
  }
  const Message plain = encode_call(a_call(), "", "me");
  for (const char* name : {"x-key", "x-size", "x-deadline"}) EXPECT_EQ(plain.header(name), nullptr) << name;
  CallData expiring = a_call();
  expiring.expires = WallTime(5s);
  EXPECT_EQ(*encode_call(expiring, "", "me").header("x-deadline"), Field(5000));
}

TEST(TaskMessage, refuses_an_id_that_no_message_can_carry) {
  CallData call = a_call();
  call.id = std::string(300, 'x');
  Buffer properties;
  EXPECT_THROW(encode_call(call, "replies", "me", "m1", false, properties), ClientError);
}

TEST(TaskMessage, is_read_behind_more_headers_than_anybody_sends) {
  Message message = encode_call(a_call(), "replies", "me");
  for (int i = 0; i < 100; ++i) message.headers["a" + std::to_string(i)] = i;
  message.headers["zlast"] = 1;
  EXPECT_EQ(read(message).call.task, "tasks.add");
}

TEST(TaskMessage, reads_large_arguments) {
  CallData call = a_call();
  call.args = {std::string(100'000, 'x')};
  EXPECT_EQ(read(encode_call(call, "", "me")).call.args, call.args);
}

// As Celery 5.6 sent it; the chain is taken off its end.
TEST(TaskMessage, reads_what_celery_sends) {
  Message message(
      R"([[2, 3], {}, {"callbacks": null, "errbacks": null, "chain": [{"task": "tasks.last", "args": [], "kwargs": {},)"
      R"( "options": {"task_id": "c", "reply_to": "r"}, "subtask_type": null, "immutable": false},)"
      R"( {"task": "tasks.add", "args": [10], "kwargs": {}, "options": {"task_id": "b"}, "subtask_type": null,)"
      R"( "immutable": false}], "chord": null}])");
  message.content_type = "application/json";
  message.headers = {{"lang", "py"},   {"task", "tasks.add"},   {"id", "a"},
                     {"retries", 1},   {"eta", Field()},        {"timelimit", FieldList{30, 1.5}},
                     {"root_id", "a"}, {"ignore_result", false}};
  const Request request = read(message);
  EXPECT_EQ(request.retries, 1);
  EXPECT_EQ(request.call.hard_limit, 30s);
  EXPECT_EQ(request.call.soft_limit, 1500ms);
  EXPECT_FALSE(request.call.eta);
  EXPECT_EQ(correlation_of(request), "a");
  ASSERT_EQ(request.call.next.size(), 2U);
  EXPECT_EQ(request.call.next[0].id, "b");
  EXPECT_EQ(request.call.next[1].task, "tasks.last");
}

TEST(TaskMessage, says_why_it_cannot_be_read) {
  Message message = encode_call(a_call(), "", "me");
  Message broken = message;
  broken.body = "[1, 2";
  EXPECT_NE(why_not(broken), "");
  broken.body = R"([[1], {}])";
  EXPECT_EQ(why_not(broken), "its body is no list of three");
  broken.body = R"([{"x": 1}, {}, {}])";
  EXPECT_NE(why_not(broken), "");
  broken = message;
  broken.content_type = "application/x-python-serialize";
  EXPECT_EQ(why_not(broken),
            "its body is 'application/x-python-serialize', and only application/json is read");
  broken = message;
  broken.headers.erase("id");
  EXPECT_NE(why_not(broken), "");
  broken = message;
  broken.headers["eta"] = "tomorrow";
  EXPECT_EQ(why_not(broken), "the header eta is no time: tomorrow");
  for (const char* barrier : {"[1]", "{}", R"({"id": "b", "size": 1, "last": {}, "reply_to": "r"})"}) {
    broken = message;
    broken.headers[kBarrier] = barrier;
    EXPECT_NE(why_not(broken), "") << barrier;
  }
  EXPECT_EQ(why_not(message), "");
}

TEST(TaskMessage, shows_arguments_as_python_would_and_no_longer_than_asked) {
  EXPECT_EQ(python_text(json::parse(R"([null, true, {"a": [1, 2.5]}])")), "[None, True, {'a': [1, 2.5E0]}]");
  const std::string text = python_text(json::value(std::string(5000, 'x')), 10);
  EXPECT_EQ(text, "'xxxxxxxxx...");
}

TEST(TimeText, is_written_and_read_alike) {
  const auto time = WallTime(1'763'643'755'564'104us);
  EXPECT_EQ(to_text(time), "2025-11-20T13:02:35.564104+00:00");
  EXPECT_EQ(time_from(to_text(time)), time);
}

TEST(TimeText, reads_offsets_and_fractions) {
  const auto expected = time_from("2026-11-20T13:02:35Z");
  ASSERT_TRUE(expected);
  EXPECT_EQ(time_from("2026-11-20T15:02:35+02:00"), expected);
  EXPECT_EQ(time_from("2026-11-20T07:32:35-0530"), expected);
  EXPECT_EQ(time_from("2026-11-20 13:02:35"), expected);
  EXPECT_EQ(*time_from("2026-11-20T13:02:35.5") - *expected, 500ms);
  EXPECT_EQ(*time_from("2026-11-20T13:02:35.123456789") - *expected, 123456us);
}

TEST(TimeText, takes_times_beyond_every_clock_for_the_farthest) {
  EXPECT_EQ(time_from("9999-12-31T23:59:59.999999"), time_from("2200-01-01T00:00:00Z"));
  EXPECT_EQ(time_from("0001-01-01T00:00:00Z"), time_from("1700-01-01T00:00:00Z"));
}

TEST(TimeText, refuses_what_is_no_time) {
  for (const char* text : {"", "tomorrow", "2026-13-01T00:00:00", "2026-02-30T00:00:00", "2026-11-20",
                           "2026-11-20T25:00:00", "2026-11-20T13:02:35+", "2026-11-20T13:02:35Zz"})
    EXPECT_FALSE(time_from(text)) << text;
}

}  // namespace
}  // namespace millrace::tasks
